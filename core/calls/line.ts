/** What the leg to a phone or a SIP address tells its call. */
import type { CallHeaders, EndCause, ErrorBody, SessionDescription } from "../../protocol";

/** What has become of the INVITE. Said again, it changes nothing. */
export type LineNews =
  /** A trunk has taken it. */
  | { news: "trying" }
  | { news: "ringing" }
  /** The network plays something. */
  | { news: "early"; description: SessionDescription }
  | { news: "answered"; description: SessionDescription; headers?: CallHeaders }
  /** It came to nothing, or is over. */
  | { news: "ended"; cause: EndCause; error?: ErrorBody; headers?: CallHeaders };
