/**
 * A telephone that does what baresip cannot: it plays before it is answered, as a telephone network
 * does, hears what comes after a hold, and sends keys beside its media (INFO). SIP over UDP by sip.js's
 * core, PCMU.
 */
import { createSocket, type Socket } from "node:dgram";
import type { IncomingInviteRequest, Session } from "sip.js/lib/core/index.js";
import { freePort } from "../programs";
import { fromMuLaw, toMuLaw } from "./g711";
import { type SipAnswerer, sipAnswerer } from "./sip-answerer";
import { toneShare } from "./tone";

/** What it plays, Hz. */
export const machineTone = 800;

export class Machine {
  readonly #answerer: SipAnswerer;
  #invite: IncomingInviteRequest | undefined;
  #session: Session | undefined;
  /** Of its descriptions. */
  #version = 0;
  #playing: NodeJS.Timeout | undefined;
  #byes = 0;
  /** While it listens. */
  #heard: number[] | undefined;

  private constructor(
    private readonly signalling: Socket,
    private readonly media: Socket,
    readonly port: number,
  ) {
    let gateway: { address: string; port: number } | undefined;
    this.#answerer = sipAnswerer({
      protocol: "UDP",
      at: `127.0.0.1:${port}`,
      send: (text) => gateway && signalling.send(text, gateway.port, gateway.address),
      onInvite: (invite) => this.#play(invite),
    });
    signalling.on("message", (data, from) => {
      gateway = from;
      this.#answerer.receive(String(data));
    });
    media.on("message", (packet: Buffer) => {
      if (((packet[1] ?? 0) & 0x7f) === pcmu) this.#heard?.push(...packet.subarray(rtpHeader));
    });
  }

  static async start(): Promise<Machine> {
    const [port, mediaPort] = await Promise.all([freePort(), freePort()]);
    const [signalling, media] = await Promise.all([bind(port), bind(mediaPort)]);
    return new Machine(signalling, media, port);
  }

  /** Takes the call that it plays to. */
  answer(): void {
    this.#session = this.#invite?.accept().session;
    if (!this.#session) throw new Error("nobody has called");
    this.#session.delegate = {
      onInvite: (again) =>
        again.accept({
          statusCode: 200,
          extraHeaders: [`Contact: <sip:machine@127.0.0.1:${this.port}>`],
          body: this.#description(again.message.body),
        }),
      onBye: (bye) => {
        bye.accept();
        this.#byes += 1;
        this.#silent();
      },
    };
  }

  /** How often somebody has hung up. */
  get byes(): number {
    return this.#byes;
  }

  /** A key that is told beside the media. */
  press(key: string): void {
    const content = `Signal=${key}\r\nDuration=160\r\n`;
    const body = { contentDisposition: "render", contentType: "application/dtmf-relay", content };
    this.#session?.info(undefined, { extraHeaders: [], body });
  }

  /** Listens for a while: how much of what comes is a tone of that frequency; 0 when nothing comes. */
  async listen(frequency: number): Promise<number> {
    const heard: number[] = [];
    this.#heard = heard;
    await new Promise((resolve) => setTimeout(resolve, listenMs));
    if (heard.length < (listenMs * sampleRate) / 2_000) return 0;
    return toneShare(Float32Array.from(heard, fromMuLaw), sampleRate, frequency);
  }

  stop(): void {
    this.#silent();
    this.#answerer.dispose();
    this.signalling.close();
    this.media.close();
  }

  #play(invite: IncomingInviteRequest): void {
    this.#silent();
    this.#invite = invite;
    invite.delegate = {
      onCancel: () => {
        invite.reject({ statusCode: 487 });
        this.#silent();
      },
    };
    const { body: offer } = invite.message;
    invite.progress({
      statusCode: 183,
      reasonPhrase: "Session Progress",
      body: this.#description(offer),
    });
    const to = Number(/^m=audio (\d+)/m.exec(offer)?.[1]);
    let sequence = 0;
    this.#playing = setInterval(() => this.media.send(packet(sequence++), to, "127.0.0.1"), packetMs);
  }

  #silent(): void {
    clearInterval(this.#playing);
  }

  /** The answer to an offer. */
  #description(offer: string) {
    this.#version += 1;
    const direction = /^a=sendonly\r?$/m.test(offer) ? "recvonly" : "sendrecv";
    const { port } = this.media.address();
    const session = [`o=- 1 ${this.#version} IN IP4 127.0.0.1`, "s=-", "c=IN IP4 127.0.0.1", "t=0 0"];
    const audio = [
      `m=audio ${port} RTP/AVP ${pcmu}`,
      `a=rtpmap:${pcmu} PCMU/${sampleRate}`,
      `a=${direction}`,
    ];
    const content = ["v=0", ...session, ...audio, ""].join("\r\n");
    return { contentDisposition: "session", contentType: "application/sdp", content };
  }
}

const pcmu = 0;
const sampleRate = 8_000;
const packetMs = 20;
const samplesPerPacket = (sampleRate * packetMs) / 1_000;
const rtpHeader = 12;
const listenMs = 300;

/** Of RTP (RFC 3550). Each holds whole periods of the tone, so that one payload does for all. */
function packet(sequence: number): Buffer {
  const header = Buffer.alloc(rtpHeader);
  header.writeUInt8(0x80, 0);
  header.writeUInt8(pcmu, 1);
  header.writeUInt16BE(sequence & 0xffff, 2);
  header.writeUInt32BE((sequence * samplesPerPacket) >>> 0, 4);
  header.writeUInt32BE(1, 8);
  return Buffer.concat([header, tone]);
}

const tone = Buffer.from(
  Array.from({ length: samplesPerPacket }, (_, index) =>
    toMuLaw(0.3 * Math.sin((2 * Math.PI * machineTone * index) / sampleRate)),
  ),
);

function bind(port: number): Promise<Socket> {
  const socket = createSocket("udp4");
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(port, "127.0.0.1", () => resolve(socket));
  });
}
