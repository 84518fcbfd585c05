/** What a failure of SIP means for the call. */
import { type EndCause, type ErrorBody, errorBody } from "../../../protocol";

export interface SipStatus {
  status: number;
  reason: string;
}

const causes: Record<number, EndCause> = {
  408: "noAnswer",
  480: "noAnswer",
  486: "denied",
  487: "canceled",
  600: "denied",
  603: "denied",
};

/** How a call ends whose INVITE was refused. */
export function causeOf(status: number): EndCause {
  return causes[status] ?? "failure";
}

/** The error that goes with it. */
export function sipError({ status, reason }: SipStatus, detail?: string): ErrorBody {
  const shown = [...reason.replace(/[^\x20-\x7e\p{L}\p{N}\p{P}]/gu, " ")].slice(0, 100).join("");
  return errorBody("sipFailed", { sip: { status, reason: shown }, ...(detail && { detail }) });
}

/** Another trunk may do better: this one's server is broken, or it does not take our password. */
export function isTrunksFault(status: number): boolean {
  return status === 401 || status === 407 || (status >= 500 && status < 600);
}
