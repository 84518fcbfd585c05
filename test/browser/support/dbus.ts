/**
 * As much of D-Bus as a browser needs to find a desktop: a bus on a socket of its own, on which one
 * service answers. Wire format: D-Bus Specification, “Type System” and “Message Protocol”.
 */
import { createServer, type Server, type Socket } from "node:net";

/** A method that somebody called. */
export interface MethodCall {
  interface: string;
  member: string;
  path: string;
  args: unknown[];
}

/** What a method answers: the values and their types; undefined: there is no such method. */
export type Answer = { signature: string; values: unknown[] } | undefined;

const types = { call: 1, answer: 2, error: 3, signal: 4 };
const fields = {
  path: 1,
  interface: 2,
  member: 3,
  errorName: 4,
  replySerial: 5,
  destination: 6,
  sender: 7,
  signature: 8,
};
/** The service's own name, and the bus's first and only other party is `:1.1` and so on. */
const serviceName = ":1.0";

export class Bus {
  readonly #server: Server;
  readonly #parties = new Set<Party>();
  #names = 0;

  /** `answer`: of the service, which has every name that is asked for. */
  constructor(answer: (call: MethodCall) => Answer) {
    this.#server = createServer((socket) => {
      this.#names += 1;
      const party = new Party(socket, `:1.${this.#names}`, answer);
      this.#parties.add(party);
      socket.on("close", () => this.#parties.delete(party));
      socket.on("error", () => {});
    });
  }

  /** What DBUS_SESSION_BUS_ADDRESS has to be. */
  async listen(socketPath: string): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(socketPath, resolve));
    return `unix:path=${socketPath}`;
  }

  signal(path: string, name: string, member: string, signature: string, values: unknown[]): void {
    for (const party of this.#parties) party.signal(path, name, member, signature, values);
  }

  async close(): Promise<void> {
    for (const party of this.#parties) party.end();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** One connection. */
class Party {
  #received: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  #authenticated = false;
  #serial = 0;

  constructor(
    private readonly socket: Socket,
    private readonly name: string,
    private readonly answer: (call: MethodCall) => Answer,
  ) {
    socket.on("data", (data: Buffer) => {
      this.#received = Buffer.concat([this.#received, data]);
      if (!this.#authenticated) this.#authenticate();
      if (this.#authenticated) this.#read();
    });
  }

  signal(path: string, name: string, member: string, signature: string, values: unknown[]): void {
    const header = { [fields.path]: path, [fields.interface]: name, [fields.member]: member };
    this.#write(types.signal, header, signature, values);
  }

  end(): void {
    this.socket.destroy();
  }

  /** Everybody may come in. */
  #authenticate(): void {
    for (;;) {
      const end = this.#received.indexOf("\r\n");
      if (end < 0) return;
      const line = this.#received.subarray(0, end).toString("latin1").replace(/^\0/, "");
      this.#received = this.#received.subarray(end + 2);
      if (line.startsWith("AUTH")) this.socket.write("OK 0123456789abcdef0123456789abcdef\r\n");
      else if (line === "BEGIN") {
        this.#authenticated = true;
        return;
      } else this.socket.write("ERROR\r\n");
    }
  }

  #read(): void {
    for (;;) {
      if (this.#received.length < 16) return;
      const bodyLength = this.#received.readUInt32LE(4);
      const headerLength = align(16 + this.#received.readUInt32LE(12), 8);
      const length = headerLength + bodyLength;
      if (this.#received.length < length) return;
      const message = this.#received.subarray(0, length);
      this.#received = this.#received.subarray(length);
      this.#take(message, headerLength);
    }
  }

  #take(message: Buffer, headerLength: number): void {
    const [, type, , , , serial, list] = new Reader(message).read("yyyyuua(yv)") as [
      ...[number, number, number, number, number, number],
      [number, unknown][],
    ];
    if (type !== types.call) return;
    const header = new Map(list);
    const signature = String(header.get(fields.signature) ?? "");
    const args = new Reader(message.subarray(headerLength)).read(signature);
    const [path, name, member] = [fields.path, fields.interface, fields.member].map((field) =>
      String(header.get(field) ?? ""),
    ) as [string, string, string];
    const call = { interface: name, member, path, args };
    const answer = name === "org.freedesktop.DBus" ? this.#busAnswer(call) : this.answer(call);
    const reply = { [fields.replySerial]: serial, [fields.destination]: this.name };
    if (answer) this.#write(types.answer, reply, answer.signature, answer.values);
    else {
      const errorName = "org.freedesktop.DBus.Error.UnknownMethod";
      this.#write(types.error, { ...reply, [fields.errorName]: errorName }, "s", [`There is no ${member}.`]);
    }
  }

  #busAnswer({ member }: MethodCall): Answer {
    switch (member) {
      case "Hello":
        return { signature: "s", values: [this.name] };
      case "GetNameOwner":
        return { signature: "s", values: [serviceName] };
      case "NameHasOwner":
        return { signature: "b", values: [true] };
      case "RequestName":
      case "StartServiceByName":
        return { signature: "u", values: [1] };
      case "AddMatch":
      case "RemoveMatch":
        return { signature: "", values: [] };
      default:
        return undefined;
    }
  }

  #write(type: number, header: Record<number, unknown>, signature: string, values: unknown[]): void {
    const body = new Writer().write(signature, values).done();
    const all = {
      ...header,
      [fields.sender]: serviceName,
      ...(signature && { [fields.signature]: signature }),
    };
    const list = Object.entries(all).map(([field, value]) => [Number(field), [kindOf(Number(field)), value]]);
    this.#serial += 1;
    const head = new Writer().write("yyyyuua(yv)", [0x6c, type, 1, 1, body.length, this.#serial, list]);
    this.socket.write(Buffer.concat([head.align(8).done(), body]));
  }
}

function kindOf(field: number): string {
  if (field === fields.path) return "o";
  if (field === fields.signature) return "g";
  return field === fields.replySerial ? "u" : "s";
}

const align = (at: number, to: number) => Math.ceil(at / to) * to;
const alignments: Record<string, number> = { y: 1, g: 1, v: 1, n: 2, q: 2, x: 8, t: 8, d: 8, "(": 8, "{": 8 };
const alignmentOf = (signature: string) => alignments[signature[0] ?? ""] ?? 4;

/** The complete types of a signature: `sa{sv}i` has three. */
function split(signature: string): string[] {
  const found: string[] = [];
  for (let at = 0; at < signature.length; ) {
    const start = at;
    while (signature[at] === "a") at += 1;
    let depth = 0;
    do {
      if ("({".includes(signature[at] ?? "")) depth += 1;
      if (")}".includes(signature[at] ?? "")) depth -= 1;
      at += 1;
    } while (depth > 0);
    found.push(signature.slice(start, at));
  }
  return found;
}

class Reader {
  #at = 0;

  constructor(private readonly bytes: Buffer) {}

  read(signature: string): unknown[] {
    return split(signature).map((type) => this.#one(type));
  }

  #one(type: string): unknown {
    this.#at = align(this.#at, alignmentOf(type));
    switch (type[0]) {
      case "y":
        return this.#number(1);
      case "n":
      case "q":
        return this.#number(2);
      case "b":
        return this.#number(4) === 1;
      case "i":
      case "u":
        return this.#number(4);
      case "x":
      case "t":
      case "d":
        return this.#take(8);
      case "s":
      case "o":
        return this.#text(this.#number(4));
      case "g":
        return this.#text(this.#number(1));
      case "v":
        return this.#one(this.#text(this.#number(1)));
      case "a":
        return this.#array(type.slice(1));
      default:
        return this.read(type.slice(1, -1));
    }
  }

  #array(of: string): unknown[] {
    const length = this.#number(4);
    this.#at = align(this.#at, alignmentOf(of));
    const end = this.#at + length;
    const found: unknown[] = [];
    while (this.#at < end) found.push(this.#one(of));
    return found;
  }

  #number(size: number): number {
    return this.#take(size).readUIntLE(0, size);
  }

  #text(length: number): string {
    return this.#take(length + 1).toString("utf8", 0, length);
  }

  #take(size: number): Buffer {
    this.#at += size;
    return this.bytes.subarray(this.#at - size, this.#at);
  }
}

class Writer {
  #bytes: number[] = [];

  write(signature: string, values: unknown[]): this {
    split(signature).forEach((type, n) => {
      this.#one(type, values[n]);
    });
    return this;
  }

  align(to: number): this {
    while (this.#bytes.length % to > 0) this.#bytes.push(0);
    return this;
  }

  done(): Buffer {
    return Buffer.from(this.#bytes);
  }

  #one(type: string, value: unknown): void {
    this.align(alignmentOf(type));
    switch (type[0]) {
      case "y":
        this.#number(Number(value), 1);
        return;
      case "b":
      case "u":
        this.#number(Number(value), 4);
        return;
      case "s":
      case "o":
        this.#number(Buffer.byteLength(String(value)), 4);
        this.#text(String(value));
        return;
      case "g":
        this.#number(String(value).length, 1);
        this.#text(String(value));
        return;
      case "v": {
        const [of, what] = value as [string, unknown];
        this.#one("g", of);
        this.#one(of, what);
        return;
      }
      case "a":
        this.#array(type.slice(1), value as unknown[]);
        return;
      case "(":
        this.write(type.slice(1, -1), value as unknown[]);
        return;
      default:
        throw new Error(`${type} is not written here`);
    }
  }

  #array(of: string, values: unknown[]): void {
    const lengthAt = this.#bytes.length;
    this.#number(0, 4);
    this.align(alignmentOf(of));
    const start = this.#bytes.length;
    for (const value of values) this.#one(of, value);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(this.#bytes.length - start);
    this.#bytes.splice(lengthAt, 4, ...length);
  }

  #number(value: number, size: number): void {
    for (let n = 0; n < size; n++) this.#bytes.push((value >>> (8 * n)) & 0xff);
  }

  #text(text: string): void {
    this.#bytes.push(...Buffer.from(text), 0);
  }
}
