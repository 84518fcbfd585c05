/** The host of phones: a peer connection with the gateway of each, through which it hears a mix of the others. */
import type { RoomEvent, SessionDescription } from "../../../protocol";
import { CallMedia } from "../call-media";
import { makeError } from "../errors";
import { MediaWatch } from "../media-watch";
import { Mixer } from "./mixer";
import type { BridgeHooks, BridgesPart } from "./parts";

type Told = Extract<RoomEvent, { type: "bridge" | "bridgeDescription" | "bridgeEnded" }>;
type Line = "phone" | "sip";

/** Web Audio, where there is any. */
function openMixer(failed: (error: unknown) => void): Mixer {
  if (!globalThis.AudioContext) throw makeError("webrtcUnavailable", "no AudioContext to mix voices with");
  return new Mixer(new AudioContext(), failed);
}

export class Bridges implements BridgesPart {
  readonly #hooks: BridgeHooks;
  readonly #openMixer: typeof openMixer;
  readonly #bridges = new Map<string, Bridge>();
  #mixer: Mixer | undefined;
  #sources: ReadonlyMap<string, MediaStreamTrack> = new Map();
  #deaf: ReadonlySet<string> = new Set();

  constructor(hooks: BridgeHooks, open = openMixer) {
    this.#hooks = hooks;
    this.#openMixer = open;
  }

  receive(told: Told): void {
    if (told.type === "bridge") void this.#begin(told.id, told.line);
    else if (told.type === "bridgeDescription")
      this.#bridges.get(told.id)?.hear(told.description, told.early);
    else this.#end(told.id);
  }

  setSources(sources: ReadonlyMap<string, MediaStreamTrack>, deaf: ReadonlySet<string> = new Set()): void {
    this.#sources = sources;
    this.#deaf = deaf;
    this.#mixer?.set(sources, deaf);
  }

  nudge(): void {
    for (const bridge of this.#bridges.values()) bridge.nudge();
  }

  close(): void {
    for (const id of [...this.#bridges.keys()]) this.#end(id);
  }

  async #begin(id: string, line: Line): Promise<void> {
    this.#end(id);
    const bridge = new Bridge(this.#hooks, id, line, (error) => this.#fail(id, bridge, error));
    this.#bridges.set(id, bridge);
    try {
      await bridge.offer(this.#mix(id));
    } catch (error) {
      this.#fail(id, bridge, error);
    }
  }

  #mix(id: string): MediaStreamTrack {
    if (!this.#mixer) {
      this.#mixer = this.#openMixer((error) =>
        this.#hooks.context.log("warning", "media", `Not mixed: ${error}`),
      );
      this.#mixer.set(this.#sources, this.#deaf);
    }
    const track = this.#mixer.open(id);
    if (!track) throw makeError("mediaFailed", "nothing to mix into");
    return track;
  }

  /** The room looks for another host. */
  #fail(id: string, bridge: Bridge, error: unknown): void {
    if (this.#bridges.get(id) !== bridge) return;
    this.#hooks.context.log("warning", "media", `Not the host of ${id}: ${error}`);
    this.#end(id);
    this.#hooks.send({ type: "bridgeFailed", id });
  }

  #end(id: string): void {
    const bridge = this.#bridges.get(id);
    if (!bridge) return;
    this.#bridges.delete(id);
    bridge.close();
    this.#mixer?.close(id);
    if (this.#bridges.size > 0) return;
    this.#mixer?.end();
    this.#mixer = undefined;
  }
}

/** One phone. */
class Bridge {
  readonly #hooks: BridgeHooks;
  readonly #id: string;
  readonly #line: Line;
  readonly #failed: (error: unknown) => void;
  #media: CallMedia | undefined;
  #watch: MediaWatch | undefined;
  #answered = false;
  #closed = false;

  constructor(hooks: BridgeHooks, id: string, line: Line, failed: (error: unknown) => void) {
    this.#hooks = hooks;
    this.#id = id;
    this.#line = line;
    this.#failed = failed;
  }

  async offer(mix: MediaStreamTrack): Promise<void> {
    const { context } = this.#hooks;
    const { ice, webrtc, runtime } = context;
    if (!webrtc) throw makeError("webrtcUnavailable");
    const iceServers = ice.fresh ?? (await ice.get());
    if (this.#closed) return;
    const trouble = (error: unknown) => context.log("warning", "media", `Phone ${this.#id}: ${error}`);
    // As a call to a phone has it: descriptions with their candidates.
    const start = { direction: "outgoing", line: this.#line } as const;
    const stream = new webrtc.MediaStream([mix]);
    const media = new CallMedia(context, webrtc, start, iceServers, stream, {
      send: (op) => {
        if (op.op === "description") this.#say(op.description);
      },
      track: (track) => this.#heard(track),
      failed: this.#failed,
      trouble,
    });
    this.#media = media;
    this.#watch = new MediaWatch(media, runtime, {
      flowing: () => {},
      sample: () => {},
      held: () =>
        !media.pc.getTransceivers().some(({ currentDirection }) => currentDirection?.includes("recv")),
      canRestart: () => media.pc.signalingState === "stable",
    });
    const described = media.offer(false);
    media.setTrack("audio", mix);
    this.#say(await described);
  }

  /** What the phone's gateway says. */
  hear(description: SessionDescription, early: boolean | undefined): void {
    const media = this.#media;
    if (!media) return;
    if (description.type === "answer" && !this.#answered) {
      if (early) {
        media.pc.setRemoteDescription({ ...description, type: "pranswer" }).catch(() => {});
        return;
      }
      this.#answered = true;
      media.accept(description, []);
      this.#watch?.start();
      return;
    }
    this.#watch?.peerRestarts();
    media.describe(description, []);
  }

  nudge(): void {
    this.#watch?.nudge();
  }

  close(): void {
    this.#closed = true;
    this.#watch?.stop();
    this.#media?.close();
    this.#hooks.voice(this.#id, undefined);
  }

  #say(description: SessionDescription): void {
    if (!this.#closed) this.#hooks.send({ type: "bridge", id: this.#id, description });
  }

  #heard(track: MediaStreamTrack): void {
    const receiver = this.#media?.pc.getReceivers().find((one) => one.track === track);
    if (!receiver || this.#closed) return;
    this.#watch?.watch(track);
    this.#hooks.voice(this.#id, { track, receiver });
  }
}
