/** What is told of a call when it is over: `POST /v1/statistics`. */
import type { CallStatistics } from "../../protocol";
import type { CallProgress } from "./call-progress";
import type { ClientContext } from "./client-context";
import type { CallQuality } from "./quality";
import { sdkVersion } from "./version";

/** Means of the numbers over the call, and the latest names. */
export class QualityAverage {
  readonly result: CallQuality = {};
  readonly #counts: Record<string, number> = {};

  add(quality: CallQuality): void {
    const result = this.result as Record<string, unknown>;
    for (const [name, value] of Object.entries(quality)) {
      if (value === undefined) continue;
      const { [name]: mean = value } = result;
      const { [name]: before = 0 } = this.#counts;
      this.#counts[name] = before + 1;
      result[name] = typeof value === "number" ? mean + (value - mean) / (before + 1) : value;
    }
  }
}

/** The body of the upload. */
export function statisticsOf(
  call: Pick<CallStatistics, "callId" | "direction">,
  origin: string | undefined,
  { endCause, error, setup, mediaAfterAnswer }: CallProgress,
  quality: CallQuality,
): CallStatistics {
  return {
    callId: call.callId,
    origin,
    direction: call.direction,
    endCause,
    errorCode: error?.code,
    setup,
    mediaAfterAnswer,
    ...quality,
    userAgent: (globalThis.navigator?.userAgent ?? "").slice(0, 512),
    sdk: sdkVersion,
  };
}

/** In the background: nobody waits for it, and a failure is a line in the log. */
export async function uploadStatistics(
  context: Pick<ClientContext, "runtime" | "registrar" | "log">,
  statistics: CallStatistics,
  again = true,
): Promise<void> {
  const { runtime, registrar, log } = context;
  try {
    if (await registrar.known()) await registrar.authorized("POST", "/v1/statistics", statistics);
  } catch (error) {
    if (again) runtime.setTimeout(() => void uploadStatistics(context, statistics, false), 5_000);
    else log("warning", "statistics", `Not uploaded: ${error}`);
  }
}
