import type { Call } from "@carillon/sdk";
import { qualityParts } from "../words";

/** Numbers with words: what the other side sounds like here, now. */
export function Quality({ call }: { call: Call }) {
  const quality = call.getQuality();
  // A recording of the server's has none.
  if (!quality && call.line === "phone") return null;
  if (!quality)
    return (
      <p class="quality" data-testid="quality">
        Measuring the quality…
      </p>
    );
  const { audioCodec, videoCodec, localCandidate, remoteCandidate } = quality;
  const codecs = [audioCodec, videoCodec].filter(Boolean).join(" and ");
  const relayed = localCandidate === "relay" || remoteCandidate === "relay";
  const parts = [...qualityParts(quality), codecs, localCandidate && (relayed ? "relayed" : "direct")];
  return (
    <p class="quality" data-testid="quality" data-mos={quality.mos?.toFixed(2)}>
      {parts.filter(Boolean).map((part) => (
        <span key={part}>{part}</span>
      ))}
    </p>
  );
}
