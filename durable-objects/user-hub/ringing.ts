import type { CallPush } from "../../core/push/content";

/** The calls that ring for a user now, so that a device which connects in time gets them too. */
export interface RingingCall {
  callId: string;
  origin?: string;
  /** Milliseconds since 1970. */
  until: number;
  /** For a device that goes while it rings; missing where no device can be woken. */
  push?: CallPush;
}

/**
 * One stored value for all of them: a call costs one written row here. An entry is not taken out
 * when its call ends, since that would cost another; the session knows, and is asked.
 */
export class Ringing {
  constructor(private readonly kv: SyncKvStorage) {}

  add(call: RingingCall, now: number): void {
    const others = this.at(now).filter((one) => one.callId !== call.callId);
    this.kv.put("ringing", [...others, call].slice(-20));
  }

  at(now: number): RingingCall[] {
    return (this.kv.get<RingingCall[]>("ringing") ?? []).filter((call) => call.until > now);
  }
}
