/**
 * A gateway in a test: SIP over WebSocket at the other end of `fetch`, as text, and strict about what
 * RFC 3261 demands of a client. What is wrong is in {@link Gateway.wrong}, which a test expects to be
 * empty. It answers as `script` says, and by itself where there is only one way.
 */
import { md5 } from "./md5";

export interface Sip {
  /** `INVITE`, or of a response its status. */
  start: string;
  method: string;
  status: number;
  uri: string;
  headers: [name: string, value: string][];
  body: string;
  text: string;
  socket: WebSocket;
}

export const headerOf = (message: Sip, name: string): string =>
  message.headers.find(([each]) => each.toLowerCase() === name.toLowerCase())?.[1] ?? "";
export const tagOf = (message: Sip, name: "from" | "to"): string =>
  /;tag=([^;>\s]+)/.exec(headerOf(message, name))?.[1] ?? "";
const branchOf = (message: Sip): string => /;branch=([^;\s,]+)/.exec(headerOf(message, "via"))?.[1] ?? "";
export const seqOf = (message: Sip): number => Number(headerOf(message, "cseq").split(" ")[0]);

export interface Reply {
  tag?: string;
  body?: string;
  type?: string;
  headers?: string[];
  reason?: string;
}

export class Gateway {
  /** What has come, in order. */
  readonly got: Sip[] = [];
  readonly wrong: string[] = [];
  /** URLs and headers of the connections that were asked for. */
  readonly asked: { url: string; headers: Headers }[] = [];
  /** Instead of a WebSocket. */
  connect: ((url: string) => Promise<Response> | Response) | null = null;
  /** What a request is answered with. `true`: it was answered. */
  script: (request: Sip) => boolean = () => false;
  /** Set, INVITE and OPTIONS are challenged; where asked for, also what comes within a call, but for CANCEL. */
  credentials: { user: string; password: string; status?: 401 | 407; inCall?: boolean } | null = null;
  /** Says nothing at all. */
  mute = false;
  protocol: string | null = "sip";
  readonly sockets: WebSocket[] = [];
  #branches = new Map<string, Sip>();
  #seqs = new Map<string, number>();
  #nonces = 0;

  readonly fetch = async (input: unknown, init?: RequestInit): Promise<Response> => {
    const url = String(input);
    this.asked.push({ url, headers: new Headers(init?.headers) });
    const other = await this.connect?.(url);
    if (other) return other;
    const { 0: client, 1: server } = new WebSocketPair();
    server.accept();
    this.sockets.push(server);
    server.addEventListener("message", ({ data }) => this.#take(String(data), server));
    server.addEventListener("close", () => {
      const at = this.sockets.indexOf(server);
      if (at >= 0) this.sockets.splice(at, 1);
    });
    const headers: Record<string, string> = this.protocol ? { "sec-websocket-protocol": this.protocol } : {};
    return new Response(null, { status: 101, webSocket: client, headers });
  };

  /** Requests of a method that have come. */
  all(method: string): Sip[] {
    return this.got.filter((message) => message.method === method && message.status === 0);
  }

  last(method: string): Sip {
    const found = this.all(method).at(-1);
    if (!found) throw new Error(`no ${method}`);
    return found;
  }

  /** Responses to requests of ours. */
  answers(method: string): Sip[] {
    return this.got.filter(
      (message) => message.status > 0 && headerOf(message, "cseq").endsWith(` ${method}`),
    );
  }

  reply(
    request: Sip,
    status: number,
    { tag = "far", body = "", type, headers = [], reason }: Reply = {},
  ): void {
    const to = headerOf(request, "to");
    const toHeader = status > 100 && !/;tag=/.test(to) ? `${to};tag=${tag}` : to;
    const contact = status > 100 && status < 300 ? [`Contact: <sip:far-${tag}@192.0.2.9:5070>`] : [];
    const lines = [
      `SIP/2.0 ${status} ${reason ?? "Whatever"}`,
      `Via: ${headerOf(request, "via")}`,
      `From: ${headerOf(request, "from")}`,
      `To: ${toHeader}`,
      `Call-ID: ${headerOf(request, "call-id")}`,
      `CSeq: ${headerOf(request, "cseq")}`,
      ...(request.method === "INVITE" && status > 100 && !/;tag=/.test(to)
        ? ["Record-Route: <sip:192.0.2.1;transport=ws;lr;r2=on>", "Record-Route: <sip:192.0.2.2;lr>"]
        : []),
      ...contact,
      ...headers,
    ];
    this.#send(request.socket, lines, body, type);
  }

  /** A request in the dialog that an INVITE and its 200 have made. */
  request(
    method: string,
    invite: Sip,
    seq: number,
    { tag = "far", body = "", type, headers = [] }: Reply = {},
  ): void {
    const contact = /<([^>]+)>/.exec(headerOf(this.all("INVITE").at(-1) ?? invite, "contact"))?.[1] ?? "";
    const lines = [
      `${method} ${contact} SIP/2.0`,
      `Via: SIP/2.0/WS 192.0.2.1;branch=z9hG4bKg${method}${seq}`,
      `Via: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bKf${method}${seq}`,
      `From: ${headerOf(invite, "to")};tag=${tag}`,
      `To: ${headerOf(invite, "from")}`,
      `Call-ID: ${headerOf(invite, "call-id")}`,
      `CSeq: ${seq} ${method}`,
      "Max-Forwards: 69",
      `Contact: <sip:far-${tag}@192.0.2.9:5070>`,
      ...headers,
    ];
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error("nobody is connected");
    this.#send(socket, lines, body, type);
  }

  raw(text: string): void {
    this.sockets.at(-1)?.send(text);
  }

  drop(code = 1001): void {
    for (const socket of this.sockets.splice(0)) socket.close(code, "gone");
  }

  #send(socket: WebSocket, lines: string[], body: string, type = "application/sdp"): void {
    const more = body ? [`Content-Type: ${type}`] : [];
    const length = new TextEncoder().encode(body).byteLength;
    const text = [...lines, ...more, `Content-Length: ${length}`, "", body].join("\r\n");
    // What is for a connection that is gone gets lost.
    if (this.sockets.includes(socket)) socket.send(text);
  }

  #take(text: string, socket: WebSocket): void {
    const message = this.#parse(text, socket);
    if (!message) return;
    this.got.push(message);
    if (message.status > 0) return;
    this.#inspect(message);
    if (message.method === "ACK" || this.mute) return;
    if (this.#challenges(message) || this.script(message)) return;
    if (message.method !== "INVITE") this.reply(message, 200);
    if (message.method === "CANCEL") {
      const invite = this.#branches.get(branchOf(message));
      if (invite) this.reply(invite, 487, { reason: "Request Terminated" });
    }
  }

  #parse(text: string, socket: WebSocket): Sip | undefined {
    const [head = "", ...rest] = text.split("\r\n\r\n");
    const body = rest.join("\r\n\r\n");
    const [start = "", ...lines] = head.split("\r\n");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for.
    if (/[\r\n\u0000]/.test(head.replaceAll("\r\n", ""))) this.wrong.push(`a bare line break: ${head}`);
    const headers = lines.map((line): [string, string] => {
      const match = /^([A-Za-z0-9-]+): ?(.*)$/.exec(line);
      if (!match) this.wrong.push(`no header: ${line}`);
      return [match?.[1] ?? "", match?.[2] ?? ""];
    });
    const request = /^([A-Z]+) (sip:\S+) SIP\/2\.0$/.exec(start);
    const response = /^SIP\/2\.0 (\d{3}) /.exec(start);
    if (!request && !response) this.wrong.push(`no SIP: ${start}`);
    const message: Sip = {
      ...{ start, method: request?.[1] ?? "", status: Number(response?.[1] ?? 0), uri: request?.[2] ?? "" },
      ...{ headers, body, text, socket },
    };
    const length = new TextEncoder().encode(body).byteLength;
    if (headerOf(message, "content-length") !== String(length)) this.wrong.push(`Content-Length of ${start}`);
    return message;
  }

  #inspect(message: Sip): void {
    const { method } = message;
    const complain = (what: string) => this.wrong.push(`${what} in ${message.start}`);
    for (const name of ["via", "from", "to", "call-id", "cseq", "max-forwards"]) {
      const count = message.headers.filter(([each]) => each.toLowerCase() === name).length;
      if (count !== 1) complain(`${count} ${name}`);
    }
    if (!/^SIP\/2\.0\/WSS? [a-z0-9.]+\.invalid;branch=z9hG4bK\S+$/.test(headerOf(message, "via")))
      complain("via");
    if (!tagOf(message, "from")) complain("no tag in From");
    if (headerOf(message, "cseq").split(" ")[1] !== method) complain("the method of CSeq");
    if (method === "INVITE" && !/^<sip:\S+>$/.test(headerOf(message, "contact"))) complain("Contact");
    const former = this.#branches.get(branchOf(message));
    if (method === "CANCEL") {
      if (!former) complain("a branch that nobody knows");
      else {
        for (const name of ["via", "from", "to", "call-id"])
          if (headerOf(message, name) !== headerOf(former, name)) complain(`another ${name}`);
        if (seqOf(former) !== seqOf(message) || former.uri !== message.uri) complain("not that INVITE");
      }
    } else if (method === "ACK") {
      const acked = this.all("INVITE").some((invite) => seqOf(invite) === seqOf(message));
      if (!acked) complain("no such INVITE");
    } else {
      if (former) complain("a branch that was used");
      this.#branches.set(branchOf(message), message);
      const call = headerOf(message, "call-id");
      const dialog = call + tagOf(message, "to");
      const last = this.#seqs.get(dialog) ?? this.#seqs.get(call);
      if (last !== undefined && seqOf(message) !== last + 1) complain(`CSeq after ${last}`);
      this.#seqs.set(dialog, seqOf(message));
    }
    if (tagOf(message, "to") && method !== "CANCEL") {
      const routes = message.headers.filter(([name]) => name === "Route").map(([, value]) => value);
      const expected = ["<sip:192.0.2.2;lr>", "<sip:192.0.2.1;transport=ws;lr;r2=on>"];
      const failed = method === "ACK" && this.#branches.has(branchOf(message));
      if (!failed && routes.join() !== expected.join()) complain(`route ${routes}`);
      if (!failed && !message.uri.startsWith("sip:far-")) complain("the remote target");
    }
  }

  #challenges(request: Sip): boolean {
    const { credentials } = this;
    if (!credentials || request.method === "CANCEL") return false;
    const isInCall = tagOf(request, "to") !== "";
    if (isInCall ? !credentials.inCall : !["INVITE", "OPTIONS"].includes(request.method)) return false;
    const { user, password, status = 407 } = credentials;
    const given = headerOf(request, status === 407 ? "proxy-authorization" : "authorization");
    const field = (name: string) => new RegExp(`[ ,]${name}="?([^",]+)`).exec(given)?.[1] ?? "";
    const first = md5(`${user}:test realm:${password}`);
    const second = md5(`${request.method}:${request.uri}`);
    const expected = md5([first, field("nonce"), field("nc"), field("cnonce"), "auth", second].join(":"));
    const fresh = field("nonce") === `n${this.#nonces}`;
    if (given && fresh && field("username") === user && field("response") === expected) return false;
    this.#nonces += 1;
    const challenge = `Digest realm="test realm", nonce="n${this.#nonces}", qop="auth", algorithm=MD5`;
    const name = status === 407 ? "Proxy-Authenticate" : "WWW-Authenticate";
    this.reply(request, status, { headers: [`${name}: ${challenge}`], reason: "Credentials, please" });
    return true;
  }
}
