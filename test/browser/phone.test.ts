/** Calls to phones in a real browser, as far as they need no phone network. */
import { expect, test } from "vitest";
import { Phone, PhoneCall, soon, useBrowser } from "./support/phone";
import { Softphone } from "./support/softphone";

useBrowser();

const testNumber = "+46000000000";

/** Starts a call to the test number, and measures what is heard of it. */
async function callTestNumber(phone: Phone) {
  const handle = await phone.page.evaluateHandle((number) => {
    const { client, watch } = window.harness;
    if (!client) throw new Error("not started");
    return watch(client.callClient.callPhoneNumber(number));
  }, testNumber);
  return new PhoneCall(phone, handle);
}

test("the test number answers, is heard, ends by itself, and costs nothing", async () => {
  const phone = await Phone.open("alice");
  const call = await callTestNumber(phone);
  await call.until("established");
  const loudest = await call.do(async ({ incomingStream }) => {
    if (!incomingStream) return 0;
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    context.createMediaStreamSource(incomingStream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    let most = 0;
    for (const until = performance.now() + 2_500; performance.now() < until; ) {
      analyser.getFloatTimeDomainData(samples);
      most = Math.max(most, ...samples);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await context.close();
    return most;
  });
  expect(loudest).toBeGreaterThan(0.05);
  expect(await call.ended()).toEqual({ endCause: "hungUp", error: undefined });
  expect(await call.events()).toEqual(expect.arrayContaining(["answered", "established", "ended"]));
  const { rate, cost, duration } = await call.do(({ details }) => details);
  expect([rate, cost]).toEqual([undefined, undefined]);
  // All of it was said.
  expect(duration).toBeGreaterThanOrEqual(7);
  expect(await call.do(({ incomingStream }) => incomingStream?.getTracks().map(({ kind }) => kind))).toEqual([
    "audio",
  ]);
});

test("the test number can be held, muted and hung up like any call", async () => {
  const phone = await Phone.open("alice");
  const call = await callTestNumber(phone);
  await call.until("established");
  await call.do((call) => {
    call.hold();
    call.mute();
  });
  expect(await call.do(({ held, muted }) => [held, muted])).toEqual([true, true]);
  await call.do((call) => call.resume());
  await call.hangup();
  expect(await call.ended()).toEqual({ endCause: "hungUp", error: undefined });
});

test("what is no number ends the call with the reason", async () => {
  const phone = await Phone.open("alice");
  const dial = async (number: string) => {
    const handle = await phone.page.evaluateHandle((number) => {
      const { client, watch } = window.harness;
      if (!client) throw new Error("not started");
      return watch(client.callClient.callPhoneNumber(number));
    }, number);
    return new PhoneCall(phone, handle).ended();
  };
  expect(await dial("+4612")).toEqual({ endCause: "failure", error: "invalidValue" });
});

test("the softphone knows a number when it sees one, and calls it", async () => {
  const alice = await Softphone.open("alice", { mayComplain: true });
  await alice.at("dial-pad").click();
  await alice.at("callee").fill("");
  for (const digit of "460000000") await alice.at(`dial-${digit}`).click();
  // Where the caret is.
  await alice.at("callee").press("Home");
  await alice.at("dial-+").click();
  await alice.at("callee").press("End");
  await alice.at("dial-0").click();
  await alice.at("dial-5").click();
  await alice.at("dial-back").click();
  await alice.at("dial-0").click();
  expect(await alice.at("callee").inputValue()).toBe(testNumber);
  expect(await alice.at("kind-phone").getAttribute("aria-pressed")).toBe("true");
  expect(await alice.at("video-call").count()).toBe(0);
  await alice.at("kind-user").click();
  expect(await alice.at("kind-phone").getAttribute("aria-pressed")).toBe("false");
  // What is none of its kind is not called: the hint says why.
  await alice.at("kind-sip").click();
  await alice.at("call").click();
  expect(await alice.textOf("dial-hint")).toContain("somebody@a domain");
  expect(await alice.at("call-state").count()).toBe(0);
  await alice.at("kind-phone").click();
  await alice.at("call").click();
  const state = () => alice.at("call-state").getAttribute("data-state");
  await expect.poll(state, soon).toBe("established");
  expect(await alice.textOf("remote-name")).toBe(testNumber);
  await expect.poll(() => alice.at("end-cause").count(), soon).toBe(1);
  expect(await alice.at("end-cause").getAttribute("data-cause")).toBe("hungUp");
});
