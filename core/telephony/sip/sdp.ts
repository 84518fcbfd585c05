/** The little of SDP that a leg has to know: who sends, and whether something has changed. */
import { serverLimits } from "../../../protocol";

type Direction = "sendrecv" | "sendonly" | "recvonly" | "inactive";

const directionLine = /^a=(sendrecv|sendonly|recvonly|inactive)\s*$/;
const originLine = /^o=(\S+) (\S+) (\d+) (.*)$/;

/** Lines of a description: before the first `m=`, and one part for each `m=`. */
function partsOf(sdp: string): { session: string[]; media: string[][] } {
  const session: string[] = [];
  const media: string[][] = [];
  for (const line of linesOf(sdp)) {
    if (line.startsWith("m=")) media.push([]);
    (media.at(-1) ?? session).push(line);
  }
  return { session, media };
}

const linesOf = (sdp: string): string[] => sdp.split(/\r?\n/).filter((line) => line !== "");
const textOf = (lines: string[]): string => `${lines.join("\r\n")}\r\n`;

/** Whether a description is longer than any that a call takes. */
export function isTooLong(sdp: string): boolean {
  return sdp.length > serverLimits.sdpBytes;
}

/** Whether a description says again what was said, whatever its version. */
export function isRefresh(before: string, after: string): boolean {
  return before === after || withoutOrigin(before) === withoutOrigin(after);
}

function withoutOrigin(sdp: string): string {
  return linesOf(sdp)
    .filter((line) => !line.startsWith("o="))
    .join("\n");
}

/** Whether who wrote it has put the other side on hold. */
export function isHeld(sdp: string): boolean {
  const { session, media } = partsOf(sdp);
  const audio = media.filter(([first]) => /^m=audio [1-9]/.test(first ?? ""));
  return audio.length > 0 && audio.every((lines) => holds(session, lines));
}

function holds(session: string[], media: string[]): boolean {
  const direction = directionOf(media) ?? directionOf(session) ?? "sendrecv";
  if (direction === "sendonly" || direction === "inactive") return true;
  const address =
    media.find((line) => line.startsWith("c=")) ?? session.find((line) => line.startsWith("c="));
  // How it was said before RFC 3264. With ICE it says nothing.
  return address === "c=IN IP4 0.0.0.0" && !media.some((line) => line.startsWith("a=ice-ufrag"));
}

function directionOf(lines: string[]): Direction | undefined {
  for (const line of lines) {
    const match = directionLine.exec(line);
    if (match) return match[1] as Direction;
  }
  return undefined;
}

const whenHeld: Record<Direction, Direction> = {
  sendrecv: "sendonly",
  sendonly: "sendonly",
  recvonly: "inactive",
  inactive: "inactive",
};

/** The description of one who has put the other side on hold. */
export function held(sdp: string): string {
  const { session, media } = partsOf(sdp);
  const inherited = directionOf(session);
  const parts = media.map((lines) => {
    const direction = whenHeld[directionOf(lines) ?? inherited ?? "sendrecv"];
    return [...lines.filter((line) => !directionLine.test(line)), `a=${direction}`];
  });
  return textOf([...session.filter((line) => !directionLine.test(line)), ...parts.flat()]);
}

/** The version in `o=`; undefined where there is no such line. */
export function versionOf(sdp: string): number | undefined {
  const version = originOf(sdp)?.[3];
  return version === undefined ? undefined : Number(version);
}

/** The same with another version in `o=`, and the origin of the session's first description (RFC 3264, 8). */
export function withVersion(sdp: string, version: number, first = sdp): string {
  const origin = originOf(first);
  if (!origin) return sdp;
  const line = `o=${origin[1]} ${origin[2]} ${version} ${origin[4]}`;
  return textOf(linesOf(sdp).map((each) => (each.startsWith("o=") ? line : each)));
}

function originOf(sdp: string): RegExpExecArray | null {
  return originLine.exec(linesOf(sdp).find((line) => line.startsWith("o=")) ?? "");
}
