/** The little of SDP that a leg has to know: who sends, and whether something has changed. */

export type Direction = "sendrecv" | "sendonly" | "recvonly" | "inactive";

const directionLine = /^a=(sendrecv|sendonly|recvonly|inactive)\s*$/;
const originLine = /^o=(\S+) (\S+) (\d+) (.*)$/;

/** Lines of a description: before the first `m=`, and one part for each `m=`. */
function partsOf(sdp: string): { session: string[]; media: string[][] } {
  const session: string[] = [];
  const media: string[][] = [];
  for (const line of sdp.split(/\r?\n/)) {
    if (line === "") continue;
    if (line.startsWith("m=")) media.push([]);
    (media.at(-1) ?? session).push(line);
  }
  return { session, media };
}

const textOf = (lines: string[]): string => `${lines.join("\r\n")}\r\n`;

/** What of a description is the same after a hold, a resume or a refresh. */
function essence(sdp: string): string {
  const lines = sdp
    .split(/\r?\n/)
    .filter((line) => line !== "" && !/^[oc]=/.test(line) && !directionLine.test(line));
  return lines.join("\n");
}

/** Whether a description says again what was said. */
export function isRefresh(before: string, after: string): boolean {
  return before === after || (essence(before) === essence(after) && isHeld(before) === isHeld(after));
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
  const line = sdp.split(/\r?\n/).find((each) => each.startsWith("o="));
  const version = originLine.exec(line ?? "")?.[3];
  return version === undefined ? undefined : Number(version);
}

/** The same with another version in `o=`, and the origin of the session's first description (RFC 3264, 8). */
export function withVersion(sdp: string, version: number, first = sdp): string {
  const origin = originLine.exec(first.split(/\r?\n/).find((line) => line.startsWith("o=")) ?? "");
  if (!origin) return sdp;
  const line = `o=${origin[1]} ${origin[2]} ${version} ${origin[4]}`;
  return textOf(
    sdp
      .split(/\r?\n/)
      .filter((each) => each !== "")
      .map((each) => (each.startsWith("o=") ? line : each)),
  );
}

/** How many media a description is about: an answer has as many as its offer. */
export function mediaCount(sdp: string): number {
  return partsOf(sdp).media.length;
}
