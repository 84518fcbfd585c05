/** What is told of a call when it is over: `POST /v1/statistics`. */
import type { CallStatistics, EndCause } from "../../protocol";
import type { CallDirection } from "./call-types";
import type { Log } from "./log";
import type { CallQuality } from "./quality";
import type { Registrar } from "./registration";
import type { Runtime } from "./runtime";
import { sdkVersion } from "./version";

export interface CallRecord {
  callId: string;
  origin?: string;
  direction: CallDirection;
  endCause: EndCause;
  errorCode?: number;
  /** On this client's clock, milliseconds since 1970. */
  times: { started: number; ringing?: number; answered?: number; established?: number; ended: number };
  answeredHere?: number;
  firstMedia?: number;
  qualities: QualityAverage;
}

const averaged = ["roundTripMs", "jitterMs", "lossRatio", "audioKbps", "videoKbps", "mos"] as const;

/** Means over the call, and the latest names. */
export class QualityAverage {
  #sums: Partial<Record<(typeof averaged)[number], { sum: number; count: number }>> = {};
  #latest: CallQuality = {};

  add(quality: CallQuality): void {
    this.#latest = { ...this.#latest, ...quality };
    for (const name of averaged) {
      const value = quality[name];
      if (value === undefined) continue;
      const entry = this.#sums[name] ?? { sum: 0, count: 0 };
      this.#sums[name] = { sum: entry.sum + value, count: entry.count + 1 };
    }
  }

  get result(): CallQuality {
    const { audioCodec, videoCodec, localCandidate, remoteCandidate } = this.#latest;
    const result: CallQuality = { audioCodec, videoCodec, localCandidate, remoteCandidate };
    for (const name of averaged) {
      const entry = this.#sums[name];
      if (entry) result[name] = Math.round((entry.sum / entry.count) * 1_000) / 1_000;
    }
    return result;
  }
}

/** The body of the upload. */
function statisticsOf(record: CallRecord): CallStatistics {
  const { times, answeredHere, firstMedia } = record;
  const since = (time: number | undefined) =>
    time === undefined ? undefined : Math.max(0, Math.round(time - times.started));
  return {
    callId: record.callId,
    origin: record.origin,
    direction: record.direction,
    endCause: record.endCause,
    errorCode: record.errorCode,
    setup: {
      ringing: since(times.ringing),
      answered: since(times.answered),
      established: since(times.established),
      ended: since(times.ended) ?? 0,
    },
    mediaAfterAnswer:
      answeredHere !== undefined && firstMedia !== undefined
        ? Math.max(0, firstMedia - answeredHere)
        : undefined,
    ...record.qualities.result,
    userAgent: (globalThis.navigator?.userAgent ?? "").slice(0, 512),
    sdk: sdkVersion,
  };
}

/** In the background: nobody waits for it, and a failure is a line in the log. */
export async function uploadStatistics(
  runtime: Runtime,
  registrar: Registrar,
  log: Log,
  record: CallRecord,
  again = true,
): Promise<void> {
  try {
    const { instance } = registrar;
    if (!instance) return;
    await registrar.authorized("POST", "/v1/statistics", instance, statisticsOf(record));
  } catch (error) {
    if (again) runtime.setTimeout(() => void uploadStatistics(runtime, registrar, log, record, false), 5_000);
    else log("warning", "statistics", `Not uploaded: ${error}`);
  }
}
