/**
 * What a person waits for: from answer() to the first audio packet on both sides, in Chromium, both
 * pages on this machine. Timed by the tracks' `unmute`, which fires with the first packet; the floor
 * is two bare peer connections in one page, everything prepared but the candidates exchanged.
 */
import { type Browser, chromium, type Page } from "playwright-core";
import { browserArguments, browserPath } from "../test/support/programs";
import type { Demo } from "./programs";
import { line, repeat, Times } from "./stats";

export async function benchMedia(demo: Demo, rounds = 20): Promise<void> {
  const browser = await chromium.launch({ executablePath: browserPath(), args: browserArguments });
  try {
    const bare = new Times();
    const blank = await openPage(browser, demo);
    await repeat(rounds, async (round) => {
      const time = await blank.evaluate(bareAnswer);
      if (round >= 0) bare.add(time);
    });
    console.log(
      `\nMedia: answer() to first audio on both sides, Chromium ${browser.version()}, ${rounds} calls each`,
    );
    for (const prewarmMicrophone of [false, true]) {
      const times = await calls(browser, demo, rounds, prewarmMicrophone);
      console.log(line(prewarmMicrophone ? "with prewarmMicrophone" : "as it comes", times, bare));
    }
    console.log("aim: p50 ≤ 25 ms");
  } finally {
    await browser.close();
  }
}

async function calls(
  browser: Browser,
  demo: Demo,
  rounds: number,
  prewarmMicrophone: boolean,
): Promise<Times> {
  const [alice, bob] = await Promise.all([openPage(browser, demo), openPage(browser, demo)]);
  const times = new Times();
  const tag = prewarmMicrophone ? "w" : "c";
  const { applicationKey, applicationSecret, url } = demo;
  const options = { applicationKey, applicationSecret, environmentHost: url, prewarmMicrophone };
  await alice.evaluate(startClient, { ...options, userId: `alice_m${tag}` });
  await bob.evaluate(startClient, { ...options, userId: `bob_m${tag}` });
  await repeat(rounds, async (round) => {
    const ringing = bob.evaluate(waitForRing);
    const [heardByAlice] = await Promise.all([alice.evaluateHandle(callAndListen, `bob_m${tag}`), ringing]);
    const heardByBob = bob.evaluate(answerAndListen);
    const [first, second] = await Promise.all([heardByAlice.evaluate((heard) => heard.at), heardByBob]);
    if (round >= 0) times.add(Math.max(first, second.heard) - second.answered);
    await bob.evaluate(hangUp);
    await heardByAlice.dispose();
  });
  await Promise.all([alice.close(), bob.close()]);
  return times;
}

async function openPage(browser: Browser, demo: Demo): Promise<Page> {
  const context = await browser.newContext({ permissions: ["microphone", "camera"] });
  const page = await context.newPage();
  await page.addInitScript(noteFirstPackets);
  await page.goto(demo.url);
  await page.waitForFunction(() => "carillon" in window);
  return page;
}

// ---- what runs in the pages -------------------------------------------------------------------

interface Bench {
  client: import("../sdk/src/client").CarillonClient;
  call: import("../sdk/src/call").Call;
  ringing: Promise<void>;
  /** Resolves with the time of the first packet of the newest remote track. */
  heard: Promise<number>;
}
declare const carillon: { CarillonClient: typeof import("../sdk/src/client").CarillonClient };
declare const bench: Bench;

/** Notes, for the newest peer connection, when its first packet came, on the clock that pages share. */
function noteFirstPackets(): void {
  const Original = RTCPeerConnection;
  const bench = {} as Bench;
  Object.assign(window, { bench });
  window.RTCPeerConnection = class extends Original {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      bench.heard = new Promise((resolve) => {
        this.addEventListener("track", ({ track }) => {
          track.addEventListener("unmute", () => resolve(performance.timeOrigin + performance.now()));
        });
      });
    }
  };
}

async function startClient(options: ConstructorParameters<typeof carillon.CarillonClient>[0]): Promise<void> {
  bench.client = new carillon.CarillonClient(options);
  await bench.client.start();
  bench.client.startListeningOnActiveConnection();
}

function waitForRing(): Promise<void> {
  return new Promise((resolve) => {
    const stop = bench.client.callClient.on("incomingCall", (call) => {
      stop();
      bench.call = call;
      // A person does not answer in the same instant: the answer is prepared by then.
      setTimeout(resolve, 300);
    });
  });
}

function callAndListen(callee: string): { at: Promise<number> } {
  const call = bench.client.callClient.callUser(callee);
  const at = new Promise<number>((resolve) => {
    call.on("answered", () => bench.heard.then(resolve));
  });
  return { at };
}

async function answerAndListen(): Promise<{ answered: number; heard: number }> {
  const answered = performance.timeOrigin + performance.now();
  bench.call.answer();
  return { answered, heard: await bench.heard };
}

function hangUp(): Promise<void> {
  return new Promise((resolve) => {
    bench.call.on("ended", () => setTimeout(resolve, 100));
    bench.call.hangup();
  });
}

async function bareAnswer(): Promise<number> {
  const one = new RTCPeerConnection();
  const first = bench.heard;
  const other = new RTCPeerConnection();
  const second = bench.heard;
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  const [track] = microphone.getAudioTracks();
  const candidates: [RTCPeerConnection, RTCIceCandidate][] = [];
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.addEventListener("icecandidate", ({ candidate }) => candidate && candidates.push([to, candidate]));
  }
  if (track) one.addTrack(track, microphone);
  await one.setLocalDescription();
  if (one.localDescription)
    await other.setRemoteDescription({
      type: "offer",
      sdp: one.localDescription.sdp.replace(/a=candidate.*\r\n/g, ""),
    });
  if (track) other.addTrack(track, microphone);
  await other.setLocalDescription();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const began = performance.timeOrigin + performance.now();
  if (other.localDescription) await one.setRemoteDescription(other.localDescription);
  for (const [to, candidate] of candidates) void to.addIceCandidate(candidate);
  const heard = Math.max(await first, await second);
  one.close();
  other.close();
  track?.stop();
  return heard - began;
}
