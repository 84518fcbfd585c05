/**
 * What is heard in a page, and who that is: each participant of a conference sends a tone of its own. Heard is what an
 * audio element plays that is not muted, as a person would hear it; received is what comes in, played or not.
 */

export interface Ears {
  /** The tones that are heard now, Hz; one for each source of it. */
  played(): number[];
  received(): number[];
  /** The tones in this stream. */
  in(stream: MediaStream): number[];
  /** Listens from now on, every so many milliseconds. */
  listen(everyMs: number): void;
  of(tone: number): Listened;
  /** The longest time, milliseconds, in which nobody has listened: the page was busy. */
  blind(): number;
}

/** What was heard of a tone since somebody listens. Times are milliseconds since 1970. */
export interface Listened {
  heard: boolean;
  heardAt: number;
  /** The first time that it was not heard after it was. */
  silentAt: number;
  /** The longest silence, milliseconds. */
  silence: number;
  /** Of the looks in silence, those at which it came in all the same, and was not played. */
  unplayed: number;
  /** Looks in silence. */
  silent: number;
}

declare global {
  interface Window {
    ears: Ears;
  }
}

export interface EarsOptions {
  /** What this page's microphone sends, Hz. */
  own: number;
  /** What all pages send. */
  tones: number[];
}

/** Playwright sends its text: nothing from outside may be used here. */
export function installEars({ own, tones }: EarsOptions): void {
  // 4,096 samples are 85 ms: nothing is missed between two looks 50 ms apart.
  const samples = 4_096;
  // Decibels; a voice has -24.
  const audible = -45;
  const elements: HTMLAudioElement[] = [];
  const PlainAudio = window.Audio;
  window.Audio = class extends PlainAudio {
    constructor(url?: string) {
      super(url);
      elements.push(this);
    }
  };
  let context: AudioContext | undefined;
  // Made when they are needed: a page that nobody has looked at yet has no sound.
  const audio = () => {
    context ??= new AudioContext();
    return context;
  };

  navigator.mediaDevices.getUserMedia = async () => {
    const tone = new OscillatorNode(audio(), { frequency: own });
    const quiet = new GainNode(audio(), { gain: 0.3 });
    const microphone = audio().createMediaStreamDestination();
    tone.connect(quiet).connect(microphone);
    tone.start();
    return microphone.stream;
  };

  const analysers = new Map<MediaStreamTrack, AnalyserNode>();
  const analyserOf = (track: MediaStreamTrack): AnalyserNode => {
    const known = analysers.get(track);
    if (known) return known;
    const stream = new MediaStream([track]);
    // Chromium plays what comes from afar into nothing unless an element has it.
    const element = new PlainAudio();
    element.muted = true;
    element.srcObject = stream;
    void element.play().catch(() => {});
    const analyser = new AnalyserNode(audio(), { fftSize: samples, smoothingTimeConstant: 0 });
    audio().createMediaStreamSource(stream).connect(analyser);
    analysers.set(track, analyser);
    track.addEventListener("ended", () => analysers.delete(track));
    return analyser;
  };

  const levels = new Float32Array(samples / 2);
  const tonesIn = (track: MediaStreamTrack): number[] => {
    if (track.readyState !== "live") return [];
    analyserOf(track).getFloatFrequencyData(levels);
    const at = (tone: number) => levels[Math.round((tone * samples) / audio().sampleRate)] ?? 0;
    return tones.filter((tone) => at(tone) > audible);
  };

  const tonesOf = (tracks: Iterable<MediaStreamTrack>) => [...new Set(tracks)].flatMap(tonesIn);
  const played = () => {
    const playing = elements.filter(({ muted, paused, volume }) => !muted && !paused && volume > 0);
    return playing.flatMap(({ srcObject }) =>
      srcObject instanceof MediaStream
        ? tonesOf(srcObject.getAudioTracks().filter(({ enabled }) => enabled))
        : [],
    );
  };
  const incoming = () =>
    window.harness.peers
      .filter(({ connectionState }) => connectionState !== "closed")
      .flatMap((peer) => peer.getReceivers().map(({ track }) => track))
      .filter(({ kind, readyState }) => kind === "audio" && readyState === "live");
  const received = () => tonesOf(incoming());

  const states = new Map<number, Listened>();
  let lookedAt = 0;
  let blind = 0;
  const look = () => {
    const now = Date.now();
    if (lookedAt) blind = Math.max(blind, now - lookedAt);
    lookedAt = now;
    // An ear that opens with the sound misses the beginning.
    for (const track of incoming()) analyserOf(track);
    const heard = new Set(played());
    const came = new Set(tones.every((tone) => heard.has(tone) || tone === own) ? [] : received());
    for (const [tone, state] of states) {
      if (!heard.has(tone)) {
        state.silent += 1;
        if (came.has(tone)) state.unplayed += 1;
      }
      // A look that comes late and finds what was there before says nothing of a silence.
      if (!heard.has(tone) || !state.heard) state.silence = Math.max(state.silence, now - state.heardAt);
      if (heard.has(tone)) state.heardAt = now;
      else if (state.heard) state.silentAt = now;
      state.heard = heard.has(tone);
    }
  };
  let timer: ReturnType<typeof setInterval> | undefined;
  window.ears = {
    played,
    received,
    in: (stream) => tonesOf(stream.getAudioTracks()),
    listen(everyMs) {
      clearInterval(timer);
      lookedAt = 0;
      blind = 0;
      const nothing = {
        heard: true,
        heardAt: Date.now(),
        silentAt: Number.NaN,
        silence: 0,
        unplayed: 0,
        silent: 0,
      };
      for (const tone of tones) states.set(tone, { ...nothing });
      timer = setInterval(look, everyMs);
    },
    of: (tone) => {
      const state = states.get(tone);
      if (!state) throw new Error("nobody listens");
      return state;
    },
    blind: () => blind,
  };
}
