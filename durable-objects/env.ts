import type { PushSettings } from "../core/push/settings";
import type { RelaySettings } from "../core/relay/ice-servers";
import type { CallSession } from "./call-session/call-session";
import type { ConferenceRoom } from "./conference-room/conference-room";
import type { PushCredential } from "./push-credential/push-credential";
import type { LaterPush } from "./push-queue";
import type { SipDialog } from "./sip-dialog/sip-dialog";
import type { UserHub } from "./user-hub/user-hub";

/** The bindings, variables and secrets of a deployment: `wrangler.toml`, and `docs/deploy.md`. */
export interface Env extends RelaySettings, PushSettings {
  USER_HUB: DurableObjectNamespace<UserHub>;
  CALL_SESSION: DurableObjectNamespace<CallSession>;
  PUSH_CREDENTIAL: DurableObjectNamespace<PushCredential>;
  SIP_DIALOG: DurableObjectNamespace<SipDialog>;
  CONFERENCE_ROOM: DurableObjectNamespace<ConferenceRoom>;
  /** Pushes that are to be tried again. */
  PUSH_QUEUE: Queue<LaterPush>;
  /** The first D1 database; `DB_1` … where the archive is spread over several. */
  DB: D1Database;
  ASSETS: Fetcher;

  /** 32 bytes, base64: what is derived from it encrypts secrets at rest and signs instance tokens. */
  MASTER_KEY: string;
  /** What the admin command line shows as `Authorization: Bearer`. At least 32 characters. */
  ADMIN_TOKEN: string;
  /** `local`, `sandbox` or `production`. */
  ENVIRONMENT: string;

  /** Calls and statistics are deleted when they are older: 90 days when it is not set, never with 0. */
  RETENTION_DAYS?: string;
  /** Messages that a user may send per second, and at once: 50 and 500 when they are not set. */
  MESSAGES_PER_SECOND?: string;
  MESSAGES_BURST?: string;
  /** Of all balances and rates, ISO 4217: USD when it is not set. */
  CURRENCY?: string;
  /** Calls to phones and SIP addresses that a user may have at a time: 10 when it is not set. */
  PHONE_CALLS_PER_USER?: string;
  /** The SFU for conferences of more than 6: an app of Cloudflare Realtime, and its secret. */
  SFU_APP_ID?: string;
  SFU_APP_SECRET?: string;
  /** In place of Cloudflare's, `https://rtc.live.cloudflare.com/v1`. */
  SFU_URL?: string;
  /** Limits registrations and guesses per address; without it there is no limit. */
  RATE_LIMIT?: RateLimit;
}
