/** A SIP client of the tests: the transactions and dialogs of sip.js, over a socket of its own. */
import { Levels, LoggerFactory } from "sip.js/lib/core/log/index.js";
import { DigestAuthentication } from "sip.js/lib/core/messages/digest-authentication.js";
import { IncomingRequestMessage } from "sip.js/lib/core/messages/incoming-request-message.js";
import type { IncomingResponse } from "sip.js/lib/core/messages/incoming-response.js";
import { IncomingResponseMessage } from "sip.js/lib/core/messages/incoming-response-message.js";
import type {
  AckableIncomingResponseWithSession,
  IncomingInviteRequest,
} from "sip.js/lib/core/messages/methods/invite.js";
import { Parser } from "sip.js/lib/core/messages/parser.js";
import type { Session } from "sip.js/lib/core/session/session.js";
import { UserAgentCore } from "sip.js/lib/core/user-agent-core/user-agent-core.js";
import { Grammar } from "sip.js/lib/grammar/grammar.js";
import type { URI } from "sip.js/lib/grammar/uri.js";
import { WebSocket } from "ws";
import type { Telephony } from "../../scripts/dev/telephony/server.mjs";

export const account = { realm: "phones.localhost", user: "carillon", password: "s3cret" };
export const sdp = (name: string) => `v=0\r\no=${name} 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n`;
const description = (name: string) => ({
  contentDisposition: "session",
  contentType: "application/sdp",
  content: sdp(name),
});

/** What happened to a client, in order, and a wait for it. */
export class Events {
  readonly all: string[] = [];
  #wake: () => void = () => {};

  tell(event: string): void {
    this.all.push(event);
    this.#wake();
  }

  /** Until it has happened. */
  async has(event: string): Promise<void> {
    for (const end = Date.now() + 5_000; !this.all.includes(event); ) {
      if (Date.now() > end) throw new Error(`no ${event}, but ${this.all.join(", ")}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 200).unref();
      });
    }
  }
}

export class SipClient {
  readonly events = new Events();
  /** The texts that came, as they came. */
  readonly received: string[] = [];
  /** And those that went. */
  readonly sent: string[] = [];
  readonly core: UserAgentCore;
  /** The dialog, once there is one. */
  session: Session | undefined;
  ringing: IncomingInviteRequest | undefined;
  readonly #aor: URI;
  readonly #contact: string;
  #socket: WebSocket;
  readonly #where: Telephony;
  readonly #page: boolean;

  private constructor(name: string, password: string, where: Telephony, socket: WebSocket, page: boolean) {
    const host = `${name}.invalid`;
    const contact = Grammar.URIParse(`sip:${name}@${host};transport=ws`);
    this.#contact = `<${contact}>`;
    this.#where = where;
    this.#page = page;
    this.#socket = socket;
    this.#listen();
    const loggerFactory = new LoggerFactory();
    loggerFactory.builtinEnabled = false;
    loggerFactory.level = Levels.error;
    this.#aor = parsed(`sip:${name}@${account.realm}`);
    this.core = new UserAgentCore(
      {
        aor: this.#aor,
        contact: { uri: parsed(String(contact)), toString: () => this.#contact } as never,
        displayName: name,
        loggerFactory,
        hackViaTcp: false,
        routeSet: [],
        sipjsId: name.padEnd(5, "x").slice(0, 5),
        supportedOptionTags: [],
        supportedOptionTagsResponse: [],
        userAgentHeaderFieldValue: "test",
        viaForceRport: false,
        viaHost: host,
        authenticationFactory: () =>
          new DigestAuthentication(loggerFactory, undefined, account.user, password),
        transportAccessor: () => ({ protocol: "WS", send: async (text: string) => this.send(text) }) as never,
      },
      { onInvite: (request) => this.#ring(request) },
    );
  }

  static async connect(where: Telephony, name: string, { password = account.password, page = false } = {}) {
    return new SipClient(name, password, where, await open(where, page), page);
  }

  /** Over a new socket from now on; the old one breaks. */
  async reconnect(): Promise<void> {
    const old = this.#socket;
    this.#socket = await open(this.#where, this.#page);
    this.#listen();
    old.removeAllListeners("message");
    old.terminate();
  }

  close(): void {
    this.#socket.terminate();
  }

  send(text: string): void {
    this.sent.push(text);
    this.#socket.send(text);
  }

  register(expires = 600): Promise<number> {
    const headers = [`Contact: ${this.#contact};expires=${expires}`];
    const to = parsed(`sip:${account.realm}`);
    const request = this.core.makeOutgoingRequestMessage("REGISTER", to, this.#aor, this.#aor, {}, headers);
    return this.#status((delegate) => this.core.register(request, delegate));
  }

  /** An INVITE; what becomes of it are events: `180`, `200 v=0…`, `486 Busy Here`. */
  call(target: string, headers: string[] = []): { cancel: () => void } {
    const to = parsed(target);
    const all = [`Contact: ${this.#contact}`, ...headers];
    const made = this.core.makeOutgoingRequestMessage(
      ...(["INVITE", to, this.#aor, to, {}, all, description(this.#aor.user ?? "")] as const),
    );
    const outgoing = this.core.invite(made, {
      onProgress: ({ message }) => this.events.tell(String(message.statusCode)),
      onAccept: ({ session, message, ack }) => {
        this.#take(session);
        ack();
        this.events.tell(`200 ${message.body.split("\r\n")[1]}`);
      },
      onReject: ({ message }) => this.events.tell(`${message.statusCode} ${message.reasonPhrase}`),
    });
    return { cancel: () => outgoing.cancel() };
  }

  /** An answer to the INVITE that rings. */
  answer(): void {
    if (!this.ringing) throw new Error("nothing rings");
    const { session } = this.ringing.accept({ statusCode: 200, body: description(this.#aor.user ?? "") });
    this.#take(session);
  }

  /** Within the dialog: the status of the answer. */
  ask(method: "bye" | "info" | "invite", extraHeaders: string[] = []): Promise<number> {
    const { session } = this;
    if (!session) throw new Error("no dialog");
    const digits = {
      contentDisposition: "render",
      contentType: "application/dtmf-relay",
      content: "Signal=5",
    };
    return this.#status((delegate) => {
      if (method === "info") return session.info(delegate, { extraHeaders, body: digits });
      if (method === "bye") return session.bye(delegate, { extraHeaders });
      const onAccept = (response: AckableIncomingResponseWithSession) => {
        response.ack();
        delegate.onAccept(response);
      };
      const headers = [`Contact: ${this.#contact}`, ...extraHeaders];
      const body = description(`${this.#aor.user}-again`);
      return session.invite({ ...delegate, onAccept }, { extraHeaders: headers, body });
    });
  }

  options(target = `sip:${account.realm}`): Promise<number> {
    const to = parsed(target);
    const request = this.core.makeOutgoingRequestMessage("OPTIONS", to, this.#aor, to, {}, []);
    return this.#status((delegate) => this.core.request(request, delegate));
  }

  #status(send: (delegate: Delegate) => unknown): Promise<number> {
    return new Promise((resolve) => {
      const settle = ({ message }: IncomingResponse) => resolve(message.statusCode ?? 0);
      send({ onAccept: settle, onReject: settle });
    });
  }

  #ring(request: IncomingInviteRequest): void {
    this.ringing = request;
    request.delegate = {
      onCancel: () => {
        request.reject({ statusCode: 487 });
        this.events.tell("canceled");
      },
    };
    request.progress({ statusCode: 180 });
    this.events.tell(`rings ${request.message.to.uri.user} from ${request.message.from.uri.user}`);
  }

  #take(session: Session): void {
    this.session = session;
    session.delegate = {
      onAck: () => this.events.tell("acknowledged"),
      onBye: (request) => {
        request.accept();
        this.events.tell("bye");
      },
      onInfo: (request) => {
        request.accept();
        this.events.tell(`info ${request.message.body}`);
      },
      onInvite: (request) => {
        request.accept({ statusCode: 200, body: description(`${this.#aor.user}-again`) });
        this.events.tell("invited again");
      },
    };
  }

  #listen(): void {
    this.#socket.on("message", (data) => {
      const text = String(data);
      this.received.push(text);
      const logger = this.core.loggerFactory.getLogger("test");
      const message = Parser.parseMessage(text, logger);
      if (message instanceof IncomingRequestMessage) this.core.receiveIncomingRequestFromTransport(message);
      else if (message instanceof IncomingResponseMessage)
        this.core.receiveIncomingResponseFromTransport(message);
    });
  }
}

interface Delegate {
  onAccept: (response: IncomingResponse) => void;
  onReject: (response: IncomingResponse) => void;
}

function parsed(uri: string): URI {
  const read = Grammar.URIParse(uri);
  if (!read) throw new Error(`${uri} is no URI`);
  return read;
}

async function open({ sip, url }: Telephony, page: boolean): Promise<WebSocket> {
  const socket = new WebSocket(sip, "sip", page ? { origin: url } : {});
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  return socket;
}
