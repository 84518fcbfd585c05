// @ts-check
/** A session: one peer connection, the tracks that it sends and receives, and the order of changes. */
import { RTCPeerConnection, useOPUS, useSdesMid, useSdesRTPStreamId, useVP8 } from "werift";
import { Publication, Subscription } from "./forwarding.mjs";
import { invalid, Refusal, wrongState } from "./refusal.mjs";

/**
 * @typedef {{ type: "offer" | "answer", sdp: string }} Description
 * @typedef {{ errorCode: string, errorDescription: string }} Trouble
 * @typedef {{ location?: string, mid?: string, sessionId?: string, trackName?: string, simulcast?: import("./forwarding.mjs").Simulcast }} Track
 */

const limits = {
  /** What waits for a connection, or for media; milliseconds. */
  waitMs: 5_000,
  /** A track without media, a session without a connection. */
  idleMs: 30_000,
};

/** A browser reaches this machine, whatever it hides of itself. */
function connectionOptions() {
  // One number for each in all of a connection, and no payload type that a browser uses for something else.
  const mid = useSdesMid();
  return {
    iceServers: [],
    iceLite: true,
    iceUseIpv4: false,
    iceUseIpv6: false,
    iceUseTcp: false,
    iceInterfaceAddresses: { udp4: "127.0.0.1" },
    iceAdditionalHostAddresses: ["127.0.0.1"],
    bundlePolicy: /** @type {const} */ ("max-bundle"),
    codecs: {
      audio: [useOPUS({ payloadType: 111, parameters: "minptime=10;useinbandfec=1" })],
      video: [useVP8({ payloadType: 96 })],
    },
    headerExtensions: { audio: [mid], video: [mid, useSdesRTPStreamId()] },
  };
}

export class Session {
  /** @type {Map<string, Publication>} by name */
  publications = new Map();
  /** @type {Map<string, Subscription>} by mid */
  subscriptions = new Map();
  closed = false;
  #connection = new RTCPeerConnection(connectionOptions());
  #busy = false;
  #offered = false;
  #negotiated = false;
  /** Since when there is no connection. @type {number | undefined} */
  #lost = performance.now();

  /** @param {{ id: string, find: (id: string) => Session | undefined }} options */
  constructor({ id, find }) {
    this.id = id;
    this.find = find;
    this.#connection.connectionStateChange.subscribe((state) => {
      if (state === "closed" || state === "failed") this.close();
      else this.#lost = state === "connected" ? undefined : (this.#lost ?? performance.now());
    });
  }

  get connected() {
    return this.#connection.connectionState === "connected";
  }

  /** One change at a time, and none while an offer waits for its answer. @template T @param {() => Promise<T>} change @param {boolean} [answers] */
  async change(change, answers = false) {
    if (this.#busy) throw wrongState("another change of this session is under way");
    if (this.#offered !== answers)
      throw wrongState(answers ? "no offer waits for an answer" : "an offer waits for its answer");
    this.#busy = true;
    try {
      return await change();
    } finally {
      this.#busy = false;
    }
  }

  /** @param {Track[]} tracks @param {Description | undefined} offer */
  publish(tracks, offer) {
    return this.change(async () => {
      if (offer?.type !== "offer") throw invalid("local tracks need an offer");
      const rids = ridsOf(offer.sdp);
      const sessionDescription = await this.#answer(offer);
      const results = tracks.map(({ mid = "", trackName = "" }) => {
        const transceiver = this.#connection.getTransceivers().find((one) => one.mid === mid);
        const taken = [...this.publications.values()].some(
          (one) => one.name === trackName || one.mid === mid,
        );
        if (!transceiver) return { mid, trackName, ...trouble("invalid_params", "no such mid in the offer") };
        if (taken || !trackName) return { mid, trackName, ...trouble("invalid_params", "it is taken") };
        const layers = rids.get(mid);
        // Every later offer of ours says so again, or the browser sends one layer alone from then on.
        if (layers) transceiver.options.simulcast = layers.map((rid) => ({ direction: "recv", rid }));
        const publication = new Publication({
          name: trackName,
          transceiver,
          simulcast: layers !== undefined,
        });
        this.publications.set(trackName, publication);
        return { mid, trackName };
      });
      return { requiresImmediateRenegotiation: false, tracks: results, sessionDescription };
    });
  }

  /** @param {Track[]} tracks */
  pull(tracks) {
    return this.change(async () => {
      await this.#untilConnected();
      const found = await Promise.all(tracks.map((track) => this.#source(track)));
      const results = found.map((source, at) => {
        const { sessionId, trackName, simulcast } = tracks[at] ?? {};
        if ("errorCode" in source) return { sessionId, trackName, ...source };
        const transceiver = this.#connection.addTransceiver(source.publication.kind, {
          direction: "sendonly",
        });
        return { sessionId, trackName, ...(simulcast && { simulcast }), source, transceiver };
      });
      if (results.every((result) => !("source" in result)))
        return { requiresImmediateRenegotiation: false, tracks: results };
      await this.#connection.setLocalDescription(await this.#connection.createOffer());
      this.#offered = true;
      this.#negotiated = true;
      const answered = results.map((result) => {
        if (!("source" in result)) return result;
        const { source, transceiver, ...rest } = result;
        const subscription = new Subscription({ transceiver, ...source });
        this.subscriptions.set(subscription.mid, subscription);
        return { ...rest, mid: subscription.mid };
      });
      return {
        requiresImmediateRenegotiation: true,
        tracks: answered,
        sessionDescription: this.#description("offer"),
      };
    });
  }

  /** @param {Description | undefined} description */
  renegotiate(description) {
    const isAnswer = description?.type === "answer";
    return this.change(async () => {
      if (!description) throw invalid("a description is missing");
      if (!isAnswer) return { sessionDescription: await this.#answer(description) };
      await this.#hear(description);
      this.#offered = false;
      for (const subscription of this.subscriptions.values()) subscription.begin();
      return {};
    }, isAnswer);
  }

  /** @param {Track[]} tracks */
  update(tracks) {
    return this.change(async () => {
      const results = await Promise.all(
        tracks.map(async (track) => {
          const { mid = "", sessionId, trackName, simulcast } = track;
          const subscription = this.subscriptions.get(mid);
          const result = { mid, sessionId, trackName };
          if (!subscription || subscription.closed)
            return { ...result, ...trouble("not_found_track_error", "nothing is received there") };
          const source = await this.#source(track);
          if ("errorCode" in source) return { ...result, ...source };
          if (simulcast && !source.publication.simulcast)
            return { ...result, ...trouble("update_track_error", "the track has no simulcast") };
          if (source.publication.kind !== subscription.publication.kind)
            return { ...result, ...trouble("update_track_error", "the kind is another") };
          subscription.change(source);
          return result;
        }),
      );
      return { requiresImmediateRenegotiation: false, tracks: results };
    });
  }

  /** @param {Track[]} tracks @param {boolean} force @param {Description | undefined} offer */
  closeTracks(tracks, force, offer) {
    return this.change(async () => {
      if (!force && offer?.type !== "offer") throw invalid("without force an offer is needed");
      const results = tracks.map(({ mid = "" }) => {
        const sent = [...this.publications.values()].find((one) => one.mid === mid);
        const open = sent ?? this.subscriptions.get(mid);
        if (!open || open.closed)
          return { mid, ...trouble("close_track_error", "Track doesn't exist or was already closed") };
        open.close();
        if (sent) this.publications.delete(sent.name);
        return { mid };
      });
      const sessionDescription = !force && offer ? await this.#answer(offer) : undefined;
      return { requiresImmediateRenegotiation: false, tracks: results, sessionDescription };
    });
  }

  state() {
    const local = [...this.publications.values()].map(({ mid, name, closed }) => ({
      ...{ location: "local", mid, trackName: name, status: closed ? "inactive" : "active" },
    }));
    const remote = [...this.subscriptions.values()].map(({ mid, publisher, publication, closed }) => ({
      ...{ location: "remote", mid, sessionId: publisher, trackName: publication.name },
      status: closed || publication.closed ? "inactive" : "active",
    }));
    return { tracks: [...local, ...remote], dataChannels: [] };
  }

  /** Forgets what has been silent for too long. False: all of it. */
  sweep(now = performance.now()) {
    if (this.#lost !== undefined && now - this.#lost > limits.idleMs) this.close();
    for (const [name, publication] of this.publications) {
      if (now - (publication.heard ?? publication.since) <= limits.idleMs) continue;
      publication.close();
      this.publications.delete(name);
    }
    return !this.closed;
  }

  close() {
    if (this.closed) return;
    this.closed = true;
    for (const one of [...this.publications.values(), ...this.subscriptions.values()]) one.close();
    this.#connection.close().catch(() => {});
  }

  /** @param {Track} track @returns {Promise<Trouble | { publisher: string, publication: Publication, simulcast?: import("./forwarding.mjs").Simulcast }>} */
  async #source({ sessionId = "", trackName = "", simulcast }) {
    const session = this.find(sessionId);
    const publication = session?.publications.get(trackName);
    if (!session?.connected || !publication)
      return trouble("not_found_track_error", "no such track, or its publisher is not connected");
    if (!(await publication.untilHeard(limits.waitMs)) || publication.closed)
      return trouble("empty_track_error", "no media of it has come");
    return { publisher: sessionId, publication, simulcast };
  }

  /** What was negotiated is to be used before more of it is. */
  async #untilConnected() {
    if (!this.#negotiated || this.connected) return;
    const connected = this.#connection.connectionStateChange.watch(
      (state) => state === "connected",
      limits.waitMs,
    );
    await connected.catch(() => {
      throw new Refusal(425, "session_error", "the session is not connected");
    });
  }

  /** @param {Description} offer */
  async #answer(offer) {
    await this.#hear(offer);
    await this.#connection.setLocalDescription(await this.#connection.createAnswer());
    this.#negotiated = true;
    return this.#description("answer");
  }

  /** @param {Description} description */
  async #hear({ type, sdp }) {
    // A browser hides its addresses behind names; it is the one that calls, and is heard then.
    const text = sdp.replace(/^a=(candidate|end-of-candidates).*\r?\n/gm, "");
    await this.#connection.setRemoteDescription({ type, sdp: text }).catch((error) => {
      throw wrongState(String(error));
    });
    // What the browser has numbered keeps its number in offers of ours: a change would end its page.
    const { audio = [], video = [] } = this.#connection.config.headerExtensions;
    for (const [, id, uri] of sdp.matchAll(/^a=extmap:(\d+)\S* (\S+)/gm))
      for (const extension of [...audio, ...video]) if (extension.uri === uri) extension.id = Number(id);
  }

  /** @param {"offer" | "answer"} type @returns {Description} */
  #description(type) {
    return { type, sdp: this.#connection.localDescription?.sdp ?? "" };
  }
}

/** The layers of tracks that have several, by mid, in the offer's order. @param {string} sdp */
function ridsOf(sdp) {
  const sections = sdp.split(/^m=/m).flatMap((part) => {
    const [, list] = /^a=simulcast:send (\S+)/m.exec(part) ?? [];
    const [, mid] = /^a=mid:(\S+)/m.exec(part) ?? [];
    return list && mid ? [/** @type {[string, string[]]} */ ([mid, list.split(";")])] : [];
  });
  return new Map(sections);
}

/** @param {string} errorCode @param {string} errorDescription @returns {Trouble} */
const trouble = (errorCode, errorDescription) => ({ errorCode, errorDescription });
