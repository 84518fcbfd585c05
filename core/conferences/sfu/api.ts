/** Cloudflare Realtime's Connection API: https://developers.cloudflare.com/realtime/sfu/api/ */
import type { SfuChange, SfuOutcome } from "./seat";

/** The part of a deployment's settings that is about the SFU. */
export interface SfuSettings {
  SFU_APP_ID?: string;
  SFU_APP_SECRET?: string;
  /** Where the API is: a stand-in on a laptop and in tests. */
  SFU_URL?: string;
}

export function hasSfu(settings: SfuSettings): boolean {
  return Boolean(settings.SFU_APP_ID && settings.SFU_APP_SECRET);
}

/** Carries a change out: one request, or a few in order. Never throws. */
export async function performChange(
  _settings: SfuSettings,
  _fetcher: typeof fetch,
  _change: SfuChange,
): Promise<SfuOutcome> {
  return { kind: "later", detail: "not there yet" };
}
