/**
 * SIP over one connection: sip.js's core, which has the grammar, the transactions and the dialogs of
 * RFC 3261, with a transport of ours. It knows no socket and no storage: both are handed in.
 *
 * A user agent lives as long as its connection. What has to outlive it is written down as plain
 * values (`StoredInvite`, `StoredDialog`), from which the next one goes on.
 */
import { LoggerFactory } from "sip.js/lib/core/log/logger-factory.js";
import { DigestAuthentication } from "sip.js/lib/core/messages/digest-authentication.js";
import type { IncomingRequestMessage } from "sip.js/lib/core/messages/incoming-request-message.js";
import { IncomingResponseMessage } from "sip.js/lib/core/messages/incoming-response-message.js";
import { Parser } from "sip.js/lib/core/messages/parser.js";
import type { Transport } from "sip.js/lib/core/transport.js";
import { UserAgentCore } from "sip.js/lib/core/user-agent-core/user-agent-core.js";
import type { URI } from "sip.js/lib/grammar/uri.js";
import type { PublicTrunk } from "../trunk";
import type { SipStatus } from "./failures";
import { parseUri, quotable, trunkUri } from "./words";

export interface AgentSettings {
  trunk: Pick<PublicTrunk, "user" | "fromDomain">;
  /** Of who calls, in From. */
  displayName?: string;
  /** The user part of Contact: requests of the far end name it. */
  contactUser: string;
  secure: boolean;
  /** Never throws: a connection that is gone is noticed by whoever owns it. */
  send(text: string): void;
  /** Something is about to leave: what has changed has to be stored before. */
  beforeSend?(): void;
  /** The trunk's, asked for when it is challenged. */
  password(): Promise<string>;
  randomToken(): string;
  log(event: string, fields?: Record<string, string | number>): void;
  /** Something has come: the connection is alive. */
  heard?(): void;
}

export const allowed = "INVITE, ACK, CANCEL, BYE, INFO, OPTIONS";
const accepted = "Accept: application/sdp, application/dtmf-relay, application/dtmf";

export class UserAgent {
  readonly core: UserAgentCore;
  readonly #settings: AgentSettings;
  readonly #loggers = new LoggerFactory();
  readonly #host: string;
  #password: string | undefined;
  #last: Promise<void> = Promise.resolve();
  #closed = false;
  /** Looks at a response before it is handled. */
  watch: ((response: IncomingResponseMessage) => void) | null = null;
  /** A challenge to something that nobody wants any more, which gets no credentials. */
  isGivenUp: ((response: IncomingResponseMessage) => boolean) | null = null;
  #withoutCredentials = false;
  /** Handles UPDATE, which sip.js does not know. */
  onUpdate: ((request: IncomingRequestMessage) => void) | null = null;

  /** Throws for a trunk whose user and domain make no address. */
  constructor(settings: AgentSettings) {
    this.#settings = settings;
    this.#loggers.builtinEnabled = false;
    this.#host = `${settings.randomToken()}.invalid`;
    const aor = required(trunkUri(settings.trunk.user, settings.trunk.fromDomain));
    const contact = required(parseUri(`sip:${settings.contactUser}@${this.#host};transport=ws`));
    const transport: Transport = {
      protocol: settings.secure ? "WSS" : "WS",
      send: async (text) => {
        if (this.#closed) return;
        settings.beforeSend?.();
        settings.send(text);
      },
    };
    this.core = new UserAgentCore({
      aor,
      contact: {
        uri: contact,
        pubGruu: undefined,
        tempGruu: undefined,
        toString: () => `<${contact}>`,
      },
      displayName: quotable(settings.displayName ?? ""),
      loggerFactory: this.#loggers,
      hackViaTcp: false,
      routeSet: [],
      sipjsId: "",
      supportedOptionTags: ["timer"],
      supportedOptionTagsResponse: ["timer"],
      userAgentHeaderFieldValue: "Carillon",
      viaForceRport: false,
      viaHost: this.#host,
      authenticationFactory: () => this.#credentials(),
      transportAccessor: () => transport,
    });
  }

  get contactHeader(): string {
    return `Contact: ${this.core.configuration.contact}`;
  }

  get viaHost(): string {
    return this.#host;
  }

  /** What has come, a frame at a time, in order. */
  receive(text: string): Promise<void> {
    this.#last = this.#last.then(async () => {
      try {
        if (!this.#closed) await this.#take(text);
      } catch (error) {
        this.#settings.log("sip.message.failed", { error: String(error) });
      }
    });
    return this.#last;
  }

  /** Whether the gateway answers, and what. A challenge is answered as well. */
  options(): Promise<SipStatus & { server?: string }> {
    const { fromDomain } = this.#settings.trunk;
    const target = required(parseUri(`sip:${fromDomain}`));
    const from = this.core.configuration.aor;
    const request = this.core.makeOutgoingRequestMessage(
      "OPTIONS",
      target,
      from,
      target,
      { callId: this.#settings.randomToken(), fromTag: this.#settings.randomToken() },
      [this.contactHeader, accepted],
    );
    return new Promise((resolve) => {
      const finish = ({ message }: { message: IncomingResponseMessage }) =>
        resolve({
          ...statusOf(message),
          server: message.getHeader("server") ?? message.getHeader("user-agent"),
        });
      this.core.request(request, { onAccept: finish, onReject: finish, onRedirect: finish });
    });
  }

  close(): void {
    this.#closed = true;
    this.core.dispose();
  }

  async #take(text: string): Promise<void> {
    this.#settings.heard?.();
    // A keep-alive.
    if (/^[\r\n\0]*$/.test(text)) return;
    const message = Parser.parseMessage(withMd5(text), this.#loggers.getLogger("carillon"));
    if (!message?.via || !message.from || !message.to || !message.callId || !message.cseq) {
      this.#settings.log("sip.message.unreadable", { size: text.length });
      return;
    }
    if (!(message instanceof IncomingResponseMessage)) {
      this.#answer(message);
      return;
    }
    const challenged = message.statusCode === 401 || message.statusCode === 407;
    const isGivenUp = () => this.isGivenUp?.(message) ?? false;
    if (challenged && !isGivenUp()) this.#password ??= await this.#settings.password();
    if (this.#closed) return;
    if (challenged) this.#answerBoth(message);
    // It may have been given up while the password was being opened.
    this.#withoutCredentials = isGivenUp();
    this.watch?.(message);
    this.core.receiveIncomingResponseFromTransport(message);
  }

  #answer(request: IncomingRequestMessage): void {
    const { method } = request;
    const reply = (statusCode: number, extraHeaders: string[] = []) =>
      this.core.replyStateless(request, { statusCode, extraHeaders: [`Allow: ${allowed}`, ...extraHeaders] });
    if (
      method === "INVITE" ||
      method === "ACK" ||
      method === "BYE" ||
      method === "INFO" ||
      method === "CANCEL"
    ) {
      this.core.receiveIncomingRequestFromTransport(request);
    } else if (request.toTag && !this.core.dialogs.has(request.callId + request.toTag + request.fromTag)) {
      reply(481);
    } else if (method === "OPTIONS") reply(200, [accepted]);
    else if (method === "NOTIFY") reply(489);
    else if (method === "UPDATE" && request.toTag && this.onUpdate) this.onUpdate(request);
    else reply(405);
  }

  /** A proxy and the far end may each ask for credentials, one after the other: sip.js answers one of them. */
  #answerBoth({ method, viaBranch, statusCode }: IncomingResponseMessage): void {
    const client = this.core.userAgentClients.get(viaBranch + method);
    const given = statusCode === 401 ? "Authorization" : "Proxy-Authorization";
    if (client && !client.message.headers[given]) Reflect.set(client, "challenged", false);
  }

  #credentials(): DigestAuthentication | undefined {
    if (this.#password === undefined || this.#withoutCredentials) return undefined;
    return new DigestAuthentication(this.#loggers, undefined, this.#settings.trunk.user, this.#password);
  }
}

export function statusOf(message: IncomingResponseMessage): SipStatus {
  return { status: message.statusCode ?? 0, reason: message.reasonPhrase ?? "" };
}

/** Of several challenges sip.js takes the last: it gets the one that it can answer. */
function withMd5(text: string): string {
  if (!/^SIP\/2\.0 40[17] /.test(text)) return text;
  const challenge = /^(?:www|proxy)-authenticate *:.*\r\n/gim;
  const isMd5 = (line: string) => /algorithm *= *"?MD5\b(?!-)/i.test(line) || !/algorithm *=/i.test(line);
  const all = text.match(challenge) ?? [];
  return all.some(isMd5) ? text.replace(challenge, (line) => (isMd5(line) ? line : "")) : text;
}

function required(uri: URI | undefined): URI {
  if (!uri) throw new Error("a trunk's user and domain make no SIP address");
  return uri;
}
