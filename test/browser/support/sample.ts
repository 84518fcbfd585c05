/** What `getStats` says of a page's latest connection. */

export interface Sample {
  /** What arrives. Energy grows with what is heard, and stands still in silence. */
  audio: { bytes: number; packets: number; energy: number; seconds: number };
  video: { bytes: number; decoded: number; width: number; height: number };
  sent: { audioBytes: number; videoBytes: number };
  /** The candidate pair in use: `host`, `srflx`, `prflx` or `relay` on either side. */
  path: { local: string; remote: string } | null;
  remoteCandidates: number;
  /** ICE checks that came in or went out, over all pairs. */
  checks: { received: number; sent: number };
  gathering: RTCIceGatheringState;
  ufrag: string;
  iceState: RTCIceConnectionState;
}

type Entry = Record<string, string | number | boolean | undefined>;

/** Playwright sends its text: nothing from outside may be used here. */
export async function takeSample(): Promise<Sample> {
  const peer = window.harness.peers.at(-1);
  if (!peer) throw new Error("no connection was made");
  const entries: Entry[] = [];
  (await peer.getStats()).forEach((entry: Entry) => {
    entries.push(entry);
  });
  const sum = (type: string, name: string, kind?: string) =>
    entries
      .filter((entry) => entry.type === type && (!kind || entry.kind === kind))
      .reduce((total, entry) => total + Number(entry[name] ?? 0), 0);
  const find = (id: unknown) => entries.find((entry) => entry.id === id);
  const pair = find(entries.find(({ type }) => type === "transport")?.selectedCandidatePairId);
  const candidateType = (id: unknown) => String(find(id)?.candidateType);
  return {
    audio: {
      bytes: sum("inbound-rtp", "bytesReceived", "audio"),
      packets: sum("inbound-rtp", "packetsReceived", "audio"),
      energy: sum("inbound-rtp", "totalAudioEnergy", "audio"),
      seconds: sum("inbound-rtp", "totalSamplesDuration", "audio"),
    },
    video: {
      bytes: sum("inbound-rtp", "bytesReceived", "video"),
      decoded: sum("inbound-rtp", "framesDecoded", "video"),
      width: sum("inbound-rtp", "frameWidth", "video"),
      height: sum("inbound-rtp", "frameHeight", "video"),
    },
    sent: {
      audioBytes: sum("outbound-rtp", "bytesSent", "audio"),
      videoBytes: sum("outbound-rtp", "bytesSent", "video"),
    },
    path: pair
      ? { local: candidateType(pair.localCandidateId), remote: candidateType(pair.remoteCandidateId) }
      : null,
    remoteCandidates: entries.filter(({ type }) => type === "remote-candidate").length,
    checks: {
      received: sum("candidate-pair", "requestsReceived"),
      sent: sum("candidate-pair", "requestsSent"),
    },
    gathering: peer.iceGatheringState,
    ufrag: /^a=ice-ufrag:(\S+)/m.exec(peer.localDescription?.sdp ?? "")?.[1] ?? "",
    iceState: peer.iceConnectionState,
  };
}
