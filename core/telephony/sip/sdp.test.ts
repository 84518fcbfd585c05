import { describe, expect, it, test } from "vitest";
import { held, isHeld, isRefresh, versionOf, withVersion } from "./sdp";

const sdp = (...lines: string[]) =>
  ["v=0", "o=- 4611 2 IN IP4 127.0.0.1", "s=-", "t=0 0", ...lines, ""].join("\r\n");
const audio = "m=audio 9 UDP/TLS/RTP/SAVPF 111";
const video = "m=video 9 UDP/TLS/RTP/SAVPF 96";

describe("whether a description holds", () => {
  test.each<[string, string[], boolean]>([
    ["sendrecv", [audio, "a=sendrecv"], false],
    ["nothing", [audio], false],
    ["recvonly", [audio, "a=recvonly"], false],
    ["sendonly", [audio, "a=sendonly"], true],
    ["inactive", [audio, "a=inactive"], true],
    ["inactive for all", ["a=inactive", audio], true],
    ["inactive for all, but", ["a=inactive", audio, "a=sendrecv"], false],
    ["no address", ["c=IN IP4 0.0.0.0", audio], true],
    ["no address of its own", [audio, "c=IN IP4 0.0.0.0"], true],
    ["an address of its own", ["c=IN IP4 0.0.0.0", audio, "c=IN IP4 192.0.2.1"], false],
    ["no address, as ICE has none", [audio, "c=IN IP4 0.0.0.0", "a=ice-ufrag:x"], false],
    ["only video held", [audio, "a=sendrecv", video, "a=inactive"], false],
    ["audio held, video not", [audio, "a=sendonly", video, "a=sendrecv"], true],
    ["no audio", ["m=audio 0 RTP/AVP 0", "a=inactive"], false],
    ["nothing at all", [], false],
  ])("%s: %j is %s", (_, lines, expected) => {
    expect(isHeld(sdp(...lines))).toBe(expected);
  });
});

describe("a description on hold", () => {
  it("sends where it has sent, receives nothing, and is otherwise the same", () => {
    const before = sdp(audio, "a=sendrecv", "a=mid:0", video, "a=recvonly", "m=audio 9 RTP/AVP 0");
    const after = held(before);
    expect(after).toBe(
      sdp(audio, "a=mid:0", "a=sendonly", video, "a=inactive", "m=audio 9 RTP/AVP 0", "a=sendonly"),
    );
    expect(held(after)).toBe(after);
  });

  it("has a direction of its own for each medium, where there was one for all", () => {
    expect(held(sdp("a=recvonly", audio, video))).toBe(sdp(audio, "a=inactive", video, "a=inactive"));
  });
});

describe("a version", () => {
  it("is that of the origin, which stays the first one's", () => {
    const first = sdp(audio);
    const later = first.replace("o=- 4611 2", "o=bob 99 7");
    expect(versionOf(first)).toBe(2);
    expect(withVersion(later, 8, first)).toBe(first.replace("4611 2", "4611 8"));
    expect(withVersion("v=0\n", 8, "v=0\n")).toBe("v=0\n");
    expect(versionOf("v=0\n")).toBeUndefined();
  });
});

describe("a refresh", () => {
  const before = sdp(audio, "a=sendrecv", "a=ice-ufrag:x");
  test.each([
    ["the same", before, true],
    ["another version", before.replace("4611 2", "4611 3"), true],
    ["hold", before.replace("sendrecv", "sendonly"), false],
    ["another port", before.replace("audio 9", "audio 11"), false],
    ["another ICE", before.replace("ufrag:x", "ufrag:y"), false],
    ["one more medium", `${before}${video}\r\n`, false],
  ])("%s: %#", (_, after, expected) => {
    expect(isRefresh(before, after)).toBe(expected);
    expect(isRefresh(after, before)).toBe(expected);
  });

  it("is none with another address", () => {
    const one = sdp("c=IN IP4 192.0.2.1", audio);
    expect(isRefresh(one, one.replace("192.0.2.1", "192.0.2.2"))).toBe(false);
  });
});
