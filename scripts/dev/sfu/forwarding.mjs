// @ts-check
/** Media on its way: a publication with its layers, and those who receive one of them. */
import { ReceiverEstimatedMaxBitrate, RtcpPayloadSpecificFeedback, Vp8RtpPayload } from "werift";

/**
 * @typedef {import("werift").RtpPacket} RtpPacket
 * @typedef {import("werift").RTCRtpTransceiver} RTCRtpTransceiver
 * @typedef {import("werift").MediaStreamTrack} MediaStreamTrack
 * @typedef {{ preferredRid?: string, priorityOrdering?: string, ridNotAvailable?: string }} Simulcast
 * @typedef {{ rid: string, ssrc?: number, heard: number, asked: number }} Layer `heard`, `asked`: for a key frame; milliseconds
 */

/** A layer that has sent nothing for so long is not there; milliseconds. */
const layerMs = 2_000;
/** Key frames are asked for at most so often. */
const keyFrameMs = 300;
/** Senders hear so often how much they may send: 10 Mbit/s. On one machine there is no bandwidth to find out. */
const allowanceMs = 1_000;
const allowance = { brExp: 6, brMantissa: 156_250 };

/** A track that a session sends. */
export class Publication {
  /** @type {Set<Subscription>} */
  subscriptions = new Set();
  /** When its last packet came; undefined: none has. @type {number | undefined} */
  heard;
  since = performance.now();
  closed = false;
  /** @type {Map<string, Layer>} by rid; without simulcast it is "" */
  #layers = new Map();
  /** @type {Set<() => void>} */
  #waiting = new Set();
  #allowed = 0;

  /** @param {{ name: string, transceiver: RTCRtpTransceiver, simulcast: boolean }} options */
  constructor({ name, transceiver, simulcast }) {
    this.name = name;
    this.mid = transceiver.mid ?? "";
    this.kind = transceiver.kind;
    this.simulcast = simulcast;
    this.receiver = transceiver.receiver;
    for (const track of this.receiver.tracks) this.#take(track);
    transceiver.onTrack.subscribe((track) => this.#take(track));
  }

  /** @param {MediaStreamTrack} track */
  #take(track) {
    track.onReceiveRtp.subscribe((packet) => this.#forward(packet, track.rid ?? ""));
  }

  /** @param {RtpPacket} packet @param {string} rid */
  #forward(packet, rid) {
    if (this.closed) return;
    const now = performance.now();
    const layer = this.#layers.get(rid) ?? { rid, heard: now, asked: 0 };
    this.#layers.set(rid, layer);
    Object.assign(layer, { ssrc: packet.header.ssrc, heard: now });
    this.heard = now;
    for (const tell of this.#waiting) tell();
    if (this.kind === "video" && now - this.#allowed > allowanceMs) this.#allow(packet.header.ssrc, now);
    // Their numbers are those of the sender's connection; each receiver's are added on the way.
    packet.header.extensions = [];
    for (const subscription of this.subscriptions) subscription.forward(packet, layer, now);
  }

  /** Those that are there now, in the SFU's order of preference. */
  available(/** @type {number} */ now) {
    return [...this.#layers.values()]
      .filter(({ heard }) => now - heard < layerMs)
      .map(({ rid }) => rid)
      .sort();
  }

  /** @param {Layer | undefined} layer */
  askForKeyFrame(layer, now = performance.now()) {
    if (!layer?.ssrc || now - layer.asked < keyFrameMs) return;
    layer.asked = now;
    void this.receiver.sendRtcpPLI(layer.ssrc);
  }

  /** All layers at once, from the first second on: browsers believe it then. @param {number} ssrc @param {number} now */
  #allow(ssrc, now) {
    this.#allowed = now;
    const feedback = new ReceiverEstimatedMaxBitrate({
      ...{ senderSsrc: this.receiver.rtcpSsrc, ssrcNum: 1, ssrcFeedbacks: [ssrc], ...allowance },
    });
    this.receiver.dtlsTransport.sendRtcp([new RtcpPayloadSpecificFeedback({ feedback })]).catch(() => {});
  }

  /** Until media comes: false when it does not in time. */
  async untilHeard(/** @type {number} */ milliseconds) {
    if (this.heard !== undefined) return true;
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      const tell = () => {
        clearTimeout(timer);
        this.#waiting.delete(tell);
        resolve(undefined);
      };
      this.#waiting.add(tell);
    });
    return this.heard !== undefined;
  }

  close() {
    this.closed = true;
    this.subscriptions.clear();
  }
}

/** A track that a session receives. */
export class Subscription {
  closed = false;
  #agreed = false;
  #forget = () => {};
  /** @type {Layer | undefined} whose packets are handed on now */
  #current;
  /** When its last packet went, milliseconds. */
  #sent = 0;
  /** Another source's numbers go on where the last one's ended. */
  #jump = false;

  /** @param {{ transceiver: RTCRtpTransceiver, publisher: string, publication: Publication, simulcast?: Simulcast }} options */
  constructor({ transceiver, publisher, publication, simulcast }) {
    this.mid = transceiver.mid ?? "";
    this.sender = transceiver.sender;
    this.publisher = publisher;
    this.publication = publication;
    this.simulcast = simulcast;
    publication.subscriptions.add(this);
  }

  /** The receiver has agreed. What came before that it would not have known: a key frame would be lost. */
  begin() {
    if (this.#agreed || this.closed) return;
    this.#agreed = true;
    // Not the sender's own events: werift looks at who says it first, and takes it for a word to what that
    // browser itself sends.
    const { unSubscribe } = this.sender.dtlsTransport.onRtcp.subscribe((packet) => {
      if (isLost(packet, this.sender.ssrc)) this.publication.askForKeyFrame(this.#current);
    });
    this.#forget = unSubscribe;
  }

  /** The same place receives something else, or another layer of it. @param {{ publisher: string, publication: Publication, simulcast?: Simulcast }} source */
  change({ publisher, publication, simulcast }) {
    this.simulcast = simulcast;
    if (publication === this.publication) return;
    this.publication.subscriptions.delete(this);
    this.publisher = publisher;
    this.publication = publication;
    this.#current = undefined;
    publication.subscriptions.add(this);
  }

  /** @param {RtpPacket} packet @param {Layer} layer @param {number} now */
  forward(packet, layer, now) {
    if (!this.#agreed) return;
    if (layer !== this.#current) {
      if (layer.rid !== this.#wanted(now)) return;
      if (this.publication.kind === "video" && !isKeyFrame(packet)) {
        this.publication.askForKeyFrame(layer, now);
        return;
      }
      this.#jump = this.#sent > 0;
      this.#current = layer;
    }
    if (this.#jump) {
      const perSecond = this.publication.kind === "video" ? 90_000 : 48_000;
      const step = Math.max(1, Math.round(((now - this.#sent) * perSecond) / 1_000));
      this.sender.replaceRTP(packet.header, false, step);
      this.#jump = false;
    }
    this.#sent = now;
    // It may be closing.
    this.sender.sendRtp(packet).catch(() => {});
  }

  /** The layer that is to be received. */
  #wanted(/** @type {number} */ now) {
    const { preferredRid, ridNotAvailable } = this.simulcast ?? {};
    const available = this.publication.available(now);
    if (!this.publication.simulcast) return available[0];
    if (preferredRid !== undefined && available.includes(preferredRid)) return preferredRid;
    if (ridNotAvailable === "asciibetical")
      return available.find((rid) => rid > (preferredRid ?? "")) ?? available[0];
    // Nothing was preferred: any will do.
    return preferredRid ?? available[0];
  }

  close() {
    this.closed = true;
    this.#forget();
    this.publication.subscriptions.delete(this);
  }
}

/**
 * The picture of this number is lost (RFC 4585, 6.3.1).
 *
 * @param {import("werift").RtcpPacket} packet @param {number} ssrc
 */
function isLost({ type, ...more }, ssrc) {
  const { feedback } = /** @type {{ feedback?: { count?: number, mediaSsrc?: number } }} */ (more);
  return type === 206 && feedback?.count === 1 && feedback.mediaSsrc === ssrc;
}

/** Whether a VP8 key frame begins with this packet. @param {RtpPacket} packet */
function isKeyFrame({ payload }) {
  if (payload.length < 4) return false;
  try {
    return Vp8RtpPayload.deSerialize(payload).isKeyframe === true;
  } catch {
    return false;
  }
}
