/** A participant of a conference with a plain peer connection: what a page does, without the SDK. */
import type { RoomEvent, RoomOperation, VideoLayer } from "../../../protocol";

type SfuOperation = Extract<RoomOperation, { type: "publish" | "sfuAnswer" }>;

export interface SfuPage {
  /** Begins to send a tone, or nothing but silence, and the camera. */
  start(options: { hertz: number; video: boolean }): Promise<SfuOperation[]>;
  /** Publishes the camera, too. */
  addVideo(): Promise<SfuOperation[]>;
  hear(event: RoomEvent): Promise<SfuOperation[]>;
  /** The loudest tone that came of each participant, hertz; 0 is silence. */
  tones(): Record<string, number>;
  /** The width of each one's video; 0 when none has come for half a second. */
  widths(): Promise<Record<string, number>>;
  layers(): Promise<Record<VideoLayer | string, number>>;
  state(): string;
  bytes(): { offer: number; answer: number };
}

declare global {
  interface Window {
    sfu: SfuPage;
  }
}

/** Runs in the page: it may use nothing from outside of itself. */
export function installSfuPage(): void {
  const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  const context = new AudioContext();
  const analysers = new Map<string, AnalyserNode>();
  const videos = new Map<string, { mid: string; frames: number }>();
  const published: { mid: string; kind: "audio" | "video" }[] = [];
  let heard = 0;
  let fresh = true;
  const bytes = { offer: 0, answer: 0 };

  const publish = async (): Promise<SfuOperation> => {
    await connection.setLocalDescription();
    const tracks = connection
      .getTransceivers()
      .flatMap(({ mid, sender }) =>
        mid && sender.track ? [{ mid, kind: sender.track.kind as "audio" | "video" }] : [],
      );
    published.splice(0, published.length, ...tracks);
    const description = { type: "offer" as const, sdp: connection.localDescription?.sdp ?? "" };
    const operation: SfuOperation = { type: "publish", description, tracks, heard, ...(fresh && { fresh }) };
    fresh = false;
    return operation;
  };

  const listen = (id: string, track: MediaStreamTrack) => {
    const stream = new MediaStream([track]);
    // Chromium decodes what an element plays, and only that.
    const element = Object.assign(document.createElement("audio"), { srcObject: stream, muted: true });
    void element.play();
    const analyser = context.createAnalyser();
    analyser.fftSize = 4_096;
    context.createMediaStreamSource(stream).connect(analyser);
    analysers.set(id, analyser);
  };

  const addCamera = async () => {
    const stream = await navigator.mediaDevices.getUserMedia({
      video: { width: 960, height: 540, frameRate: 10 },
    });
    const [track] = stream.getVideoTracks();
    if (!track) throw new Error("no camera");
    const { sender } = connection.addTransceiver(track, {
      direction: "sendonly",
      sendEncodings: [
        { rid: "q", maxBitrate: 150_000, scaleResolutionDownBy: 4 },
        { rid: "h", maxBitrate: 500_000, scaleResolutionDownBy: 2 },
        { rid: "f", maxBitrate: 1_500_000 },
      ],
    });
    // A busy machine makes it slower, not smaller.
    await sender.setParameters({ ...sender.getParameters(), degradationPreference: "maintain-resolution" });
  };

  window.sfu = {
    async start({ hertz, video }) {
      await context.resume();
      const oscillator = new OscillatorNode(context, { frequency: hertz });
      const out = context.createMediaStreamDestination();
      oscillator.connect(out);
      oscillator.start();
      const [track] = out.stream.getAudioTracks();
      if (track) connection.addTransceiver(track, { direction: "sendonly" });
      if (video) await addCamera();
      return [await publish()];
    },
    async addVideo() {
      await addCamera();
      return [await publish()];
    },
    async hear(event) {
      if (event.type === "sfuAnswer")
        await connection.setRemoteDescription(event.description as RTCSessionDescriptionInit);
      if (event.type !== "sfuOffer") return [];
      const again = connection.signalingState === "have-local-offer";
      if (again) await connection.setLocalDescription({ type: "rollback" });
      await connection.setRemoteDescription(event.description as RTCSessionDescriptionInit);
      await connection.setLocalDescription();
      heard = event.offer;
      for (const { mid, id, kind } of event.tracks) {
        const transceiver = connection.getTransceivers().find((one) => one.mid === mid);
        if (!transceiver) throw new Error(`no transceiver ${mid}`);
        if (kind === "audio") listen(id, transceiver.receiver.track);
        else videos.set(id, { mid, frames: 0 });
      }
      const sdp = connection.localDescription?.sdp ?? "";
      bytes.offer = event.description.sdp.length;
      bytes.answer = sdp.length;
      const answer: SfuOperation = {
        type: "sfuAnswer",
        offer: event.offer,
        description: { type: "answer", sdp },
      };
      return again ? [answer, await publish()] : [answer];
    },
    tones() {
      const found = [...analysers].map(([id, analyser]) => {
        const bins = new Float32Array(analyser.frequencyBinCount);
        analyser.getFloatFrequencyData(bins);
        const loudest = bins.reduce((best, level, at) => (level > (bins[best] ?? -200) ? at : best), 0);
        const heardAt = (bins[loudest] ?? -200) > -60;
        return [id, heardAt ? Math.round((loudest * context.sampleRate) / analyser.fftSize) : 0];
      });
      return Object.fromEntries(found);
    },
    async widths() {
      const read = async () => {
        const stats = await connection.getStats();
        return new Map(
          [...stats.values()].flatMap((one) =>
            one.type === "inbound-rtp" && one.kind === "video" ? [[one.mid, one] as const] : [],
          ),
        );
      };
      const before = await read();
      await new Promise((resolve) => setTimeout(resolve, 500));
      const after = await read();
      return Object.fromEntries(
        [...videos].map(([id, { mid }]) => {
          const moved = (after.get(mid)?.framesDecoded ?? 0) > (before.get(mid)?.framesDecoded ?? 0);
          return [id, moved ? (after.get(mid)?.frameWidth ?? 0) : 0];
        }),
      );
    },
    async layers() {
      const stats = await connection.getStats();
      return Object.fromEntries(
        [...stats.values()].flatMap((one) =>
          one.type === "outbound-rtp" && one.kind === "video" ? [[one.rid, one.framesEncoded]] : [],
        ),
      );
    },
    state: () => connection.connectionState,
    bytes: () => bytes,
  };
}
