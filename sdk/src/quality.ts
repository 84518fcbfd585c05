/** What getStats() says, as the few numbers that matter. Pure. */

/** A call's quality over the last second. Missing numbers were not measured. */
export interface CallQuality {
  roundTripMs?: number;
  jitterMs?: number;
  /** 0 to 1, of the incoming audio packets. */
  lossRatio?: number;
  audioKbps?: number;
  videoKbps?: number;
  audioCodec?: string;
  videoCodec?: string;
  /** Types of the pair in use: `host`, `srflx`, `prflx`, `relay`. */
  localCandidate?: string;
  remoteCandidate?: string;
  /** Estimated mean opinion score, 1 to 4.5 (ITU-T G.107, simplified). */
  mos?: number;
}

/** Counters of one moment. */
export interface Sample {
  /** Milliseconds, any origin. */
  at: number;
  packets: number;
  lost: number;
  audioBytes: number;
  videoBytes: number;
  quality: CallQuality;
}

interface Stat {
  id: string;
  type: string;
  kind?: string;
  nominated?: boolean;
  state?: string;
  selectedCandidatePairId?: string;
  localCandidateId?: string;
  remoteCandidateId?: string;
  candidateType?: string;
  codecId?: string;
  mimeType?: string;
  packetsReceived?: number;
  packetsLost?: number;
  bytesReceived?: number;
  jitter?: number;
  currentRoundTripTime?: number;
}

/** Reads a report; rates are over the time since `previous`. */
export function readSample(report: Iterable<[string, unknown]>, at: number, previous?: Sample): Sample {
  const stats = new Map(report as Iterable<[string, Stat]>);
  const all = [...stats.values()];
  const inbound = (kind: string) => all.find((stat) => stat.type === "inbound-rtp" && stat.kind === kind);
  const [audio, video] = [inbound("audio"), inbound("video")];
  const transport = all.find((stat) => stat.type === "transport");
  const pair =
    stats.get(transport?.selectedCandidatePairId ?? "") ??
    all.find((stat) => stat.nominated && stat.state === "succeeded");
  const codec = (stat?: Stat) => stats.get(stat?.codecId ?? "")?.mimeType?.split("/")[1];

  const counters = {
    at,
    packets: audio?.packetsReceived ?? 0,
    lost: audio?.packetsLost ?? 0,
    audioBytes: audio?.bytesReceived ?? 0,
    videoBytes: video?.bytesReceived ?? 0,
  };
  const since = (name: Exclude<keyof Sample, "quality">) => counters[name] - (previous?.[name] ?? 0);
  const kbps = (name: "audioBytes" | "videoBytes") =>
    previous && since("at") > 0 ? (since(name) * 8) / since("at") : undefined;
  const lost = Math.max(0, since("lost"));
  const expected = since("packets") + lost;
  const quality: CallQuality = {
    roundTripMs: times1000(pair?.currentRoundTripTime),
    jitterMs: times1000(audio?.jitter),
    lossRatio: expected > 0 ? lost / expected : undefined,
    audioKbps: audio && kbps("audioBytes"),
    videoKbps: video && kbps("videoBytes"),
    audioCodec: codec(audio),
    videoCodec: codec(video),
    localCandidate: stats.get(pair?.localCandidateId ?? "")?.candidateType,
    remoteCandidate: stats.get(pair?.remoteCandidateId ?? "")?.candidateType,
  };
  if (expected > 0) quality.mos = estimateMos(quality);
  return { ...counters, quality };
}

function times1000(seconds: number | undefined): number | undefined {
  return seconds && seconds * 1_000;
}

/** The E-model with Opus's robustness: delay and loss take from an R of 93.2. Source: ITU-T G.107. */
export function estimateMos({ roundTripMs = 0, jitterMs = 0, lossRatio = 0 }: CallQuality): number {
  const delay = roundTripMs / 2 + jitterMs * 2 + 20;
  const delayImpairment = 0.024 * delay + 0.11 * Math.max(0, delay - 177.3);
  const lossImpairment = (95 * lossRatio) / (lossRatio + 0.2);
  const r = Math.max(0, 93.2 - delayImpairment - lossImpairment);
  return Math.max(1, 1 + 0.035 * r + 7e-6 * r * (r - 60) * (100 - r));
}

/** Why a call may sound bad now. */
export type QualityReason = "loss" | "roundTrip" | "jitter" | "mediaLost";

/** Whether a quality gives reason for a warning. */
export function warnings({ roundTripMs = 0, jitterMs = 0, lossRatio = 0 }: CallQuality) {
  return [
    ["loss", lossRatio > 0.05],
    ["roundTrip", roundTripMs > 400],
    ["jitter", jitterMs > 50],
  ] as const;
}
