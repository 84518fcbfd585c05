/**
 * A telephone: baresip, which plays a tone into every call, writes down what it hears, and does what
 * it is told. It speaks SIP over UDP with its gateway.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { findProgram, freePort, killTree, type Program, startProgram, until } from "../programs";
import { toneShare } from "./tone";

/** What the phone plays, Hz. */
export const phoneTone = 440;

/** A message of SIP that went over the phone's wire. */
export interface SipMessage {
  sent: boolean;
  /** `INVITE sip:…`, or `SIP/2.0 200 OK`. */
  start: string;
  /** Names in small letters. */
  headers: Record<string, string>;
  body: string;
}

/** As baresip tells of them. */
interface PhoneEvent {
  type: string;
  id: string;
  param: string;
}

export class SipPhone {
  readonly #events: PhoneEvent[] = [];
  readonly #taken = new Set<string>();

  private constructor(
    private readonly program: Program,
    private readonly control: Socket,
    private readonly folder: string,
    private readonly port: number,
  ) {
    let received: Buffer<ArrayBufferLike> = Buffer.alloc(0);
    control.on("data", (data: Buffer) => {
      received = Buffer.concat([received, data]);
      for (let frame = nextFrame(received); frame; frame = nextFrame(received)) {
        received = frame.rest;
        const event = JSON.parse(frame.text) as Partial<PhoneEvent>;
        const { type, id, param = "" } = event;
        if (type && id) this.#events.push({ type, id, param });
      }
    });
    control.on("error", () => {});
  }

  static async start(folder: string, port: number): Promise<SipPhone> {
    const [control, media] = await Promise.all([freePort(), freePort()]);
    writeSettings(folder, { port, control, media });
    // Line by line, also into a pipe.
    const program = startProgram("stdbuf", ["-oL", findProgram("baresip"), "-s", "-f", folder]);
    const socket = await until("baresip", () => {
      if (program.process.exitCode !== null) throw new Error(`baresip ended:\n${program.output()}`);
      return open(control);
    });
    return new SipPhone(program, socket, folder, port);
  }

  /** The next call that rings. */
  async incoming(): Promise<PhoneLeg> {
    const { id } = await until("a call at the phone", () =>
      this.#events.find(({ type, id }) => type === "CALL_INCOMING" && !this.#taken.has(id)),
    );
    this.#taken.add(id);
    for (const recording of this.#recordings()) rmSync(recording);
    return new PhoneLeg(this, id);
  }

  /** How many calls ring or talk, whether or not a test has looked at them. */
  get open(): number {
    const count = (wanted: string) =>
      new Set(this.#events.filter(({ type }) => type === wanted).map(({ id }) => id)).size;
    return count("CALL_INCOMING") - count("CALL_CLOSED");
  }

  /** Whatever still rings or talks is over: the next call finds it as if nobody had called before. */
  async hangUpAll(): Promise<void> {
    const closed = (id: string) => this.eventsOf(id).some(({ type }) => type === "CALL_CLOSED");
    await until("the end of all calls at the phone", () => {
      if ([...this.#taken].every(closed)) return true;
      this.tell("hangup");
      return false;
    });
  }

  /** A command of baresip's menu. */
  tell(command: string, params = ""): void {
    const text = JSON.stringify({ command, params });
    this.control.write(`${Buffer.byteLength(text)}:${text},`);
  }

  /** What has happened to a call, in baresip's words. */
  eventsOf(id: string): PhoneEvent[] {
    return this.#events.filter((event) => event.id === id);
  }

  /** Of one call, in their order. */
  messages(id: string): SipMessage[] {
    const messages = this.program.output().matchAll(traced);
    return [...messages]
      .map(([, from, text]) => message(text ?? "", from === String(this.port)))
      .filter(({ headers }) => headers["call-id"] === id);
  }

  /**
   * Listens for a while: how much of what comes is a tone of that frequency; 0 when nothing comes. After
   * a hold baresip 1.0 does not write down any more what it hears.
   */
  async listen(frequency: number): Promise<number> {
    const [before, from] = this.#heard();
    await new Promise((resolve) => setTimeout(resolve, listenMs));
    const [now, to, bytes] = this.#heard();
    const start = now === before ? from : 0;
    const samples = new Float32Array((to - start) >> 1);
    // Packets come late now and then; when they have stopped, there are none.
    if (samples.length < (sampleRate * listenMs) / 2_000) return 0;
    for (const index of samples.keys()) samples[index] = bytes.readInt16LE(start + index * 2) / 0x8000;
    return toneShare(samples, sampleRate, frequency);
  }

  /** The newest recording's name, how long its sound is, and the sound. */
  #heard(): [name: string, length: number, bytes: Buffer] {
    const newest = this.#recordings().at(-1) ?? "";
    const bytes = newest ? readFileSync(newest).subarray(wavHeader) : Buffer.alloc(0);
    return [newest, bytes.length & ~1, bytes];
  }

  /** What was heard, oldest first: a new file with each change of a call's media. */
  #recordings(): string[] {
    return readdirSync(this.folder)
      .filter((name) => name.endsWith("-dec.wav"))
      .sort()
      .map((name) => join(this.folder, name));
  }

  output(): string {
    return this.program.output();
  }

  async stop(): Promise<void> {
    this.control.destroy();
    killTree(this.program.pid);
    await this.program.exited;
  }
}

/** A call at the phone. The commands go to whichever call is the phone's current one. */
export class PhoneLeg {
  constructor(
    readonly phone: SipPhone,
    readonly id: string,
  ) {}

  answer(): void {
    this.phone.tell("accept");
  }

  /** Or declines it. */
  hangUp(): void {
    this.phone.tell("hangup");
  }

  hold(): void {
    this.phone.tell("hold");
  }

  resume(): void {
    this.phone.tell("resume");
  }

  get messages(): SipMessage[] {
    return this.phone.messages(this.id);
  }

  /** The keys that were pressed at the other side. */
  get keys(): string {
    return this.phone
      .eventsOf(this.id)
      .filter(({ type }) => type === "CALL_DTMF_START")
      .map(({ param }) => param)
      .join("");
  }

  /** Waits until it is over for the phone. Answers why, in baresip's words. */
  async closed(limit?: number): Promise<string> {
    const end = await until(
      "the end of the call at the phone",
      () => this.phone.eventsOf(this.id).find(({ type }) => type === "CALL_CLOSED"),
      limit,
    );
    return end.param;
  }

  /** The requests of this method that came to the phone. */
  received(method: string): SipMessage[] {
    return this.messages.filter(({ sent, start }) => !sent && start.startsWith(`${method} `));
  }
}

const sampleRate = 8_000;
const wavHeader = 44;
const listenMs = 300;
/** How `baresip -s` writes a message that comes or goes. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it writes in colours.
const traced = /\x1b\[36;1m#\nUDP 127\.0\.0\.1:(\d+) -> 127\.0\.0\.1:\d+\n([^\x1b]*)\x1b\[;m/g;

function message(text: string, sent: boolean): SipMessage {
  const [head = "", body = ""] = text.split(/\r?\n\r?\n/, 2);
  const [start = "", ...lines] = head.split(/\r?\n/);
  const headers = lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { sent, start, headers: Object.fromEntries(headers), body };
}

/** The next netstring: its length, a colon, the text, a comma. */
function nextFrame(received: Buffer): { text: string; rest: Buffer } | undefined {
  const colon = received.indexOf(":");
  if (colon < 0) return undefined;
  const end = colon + 1 + Number(received.toString("latin1", 0, colon));
  if (received.length <= end) return undefined;
  return { text: received.toString("utf8", colon + 1, end), rest: received.subarray(end + 1) };
}

function open(port: number): Promise<Socket | false> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(socket));
    socket.once("error", () => resolve(false));
  });
}

function writeSettings(
  folder: string,
  { port, control, media }: Record<"port" | "control" | "media", number>,
) {
  mkdirSync(folder, { recursive: true });
  const files = {
    accounts: "<sip:phone@127.0.0.1>;regint=0;audio_codecs=pcmu/8000/1;ptime=20;answermode=manual\n",
    contacts: "",
    config: `
sip_listen 127.0.0.1:${port}
ctrl_tcp_listen 127.0.0.1:${control}
rtp_ports ${media}-${media + 100}
net_interface 127.0.0.1
rtcp_mux no
call_local_timeout 120
call_max_calls 8
audio_path ${folder}
audio_source ausine,${phoneTone}
audio_player aubridge,sink
audio_alert aubridge,alert
ausrc_srate 48000
auplay_srate 48000
ausrc_channels 2
auplay_channels 1
snd_path ${folder}
module_path /usr/lib/baresip/modules
module g711.so
module ausine.so
module aubridge.so
module sndfile.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
`,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
}
