/** An application with a trunk to a real gateway and money to call with, and users at browsers. */
import { afterAll, afterEach, beforeAll, expect, inject } from "vitest";
import type { CallOptions } from "../../../sdk/src";
import {
  newContext,
  Phone,
  PhoneCall,
  type PhoneOptions,
  soon,
  useBrowser,
} from "../../browser/support/phone";
import { asApplication, newPhoneApplication, type PhoneApplication } from "../../support/gateway/application";
import { Gateway, type GatewayAccess, numbers } from "../../support/gateway/gateway";
import type { PhoneLeg } from "../../support/gateway/sip-phone";
import { installMicrophone } from "./tones";

export { numbers, soon };

let gateway: Gateway;
let application: PhoneApplication;

/** One gateway for the tests of a file, and an application that calls through it. */
export function useGateway(): void {
  useBrowser();
  beforeAll(async () => {
    gateway = await Gateway.start();
    application = await newApplication([{}]);
  });
  afterEach(async ({ task }) => {
    if (task.result?.state === "fail") console.log(gateway.log());
    await gateway.phone.hangUpAll();
  });
  afterAll(() => gateway?.stop());
}

export const theGateway = (): Gateway => gateway;
export const theApplication = (): PhoneApplication => application;

/** Another one, with these trunks to the gateway, in this order. */
export function newApplication(trunks: Partial<GatewayAccess>[], amount?: number): Promise<PhoneApplication> {
  const access = trunks.map((trunk) => ({ ...gateway.access, ...trunk }));
  return newPhoneApplication(inject("server"), access, amount);
}

/** A read with the application's own credentials. */
export const read = (path: string) => asApplication(inject("server"), application, path);

/** A user at a browser whose microphone hears a tone. */
export async function caller(
  options: PhoneOptions = {},
  { applicationKey, applicationSecret } = application,
) {
  const context = await newContext();
  await context.addInitScript(installMicrophone);
  const server = { ...inject("server"), applicationKey, applicationSecret };
  return Phone.open("caller", { context, server, ...options });
}

/** Calls a number with +, or `user@domain`. */
export async function dial(phone: Phone, to: string, options: CallOptions = {}): Promise<PhoneCall> {
  const handle = await phone.page.evaluateHandle(
    ([to, options]) => {
      const { client, watch } = window.harness;
      if (!client) throw new Error("not started");
      const { callClient } = client;
      return watch(
        to.startsWith("+") ? callClient.callPhoneNumber(to, options) : callClient.callSip(to, options),
      );
    },
    [to, options] as const,
  );
  return new PhoneCall(phone, handle);
}

export interface Conversation {
  phone: Phone;
  call: PhoneCall;
  /** The other end. */
  leg: PhoneLeg;
}

/** A call that the phone has answered. */
export async function established(to: string = numbers.phone, options?: CallOptions): Promise<Conversation> {
  const phone = await caller();
  const call = await dial(phone, to, options);
  const leg = await gateway.phone.incoming();
  await call.until("ringing");
  leg.answer();
  await call.until("established");
  return { phone, call, leg };
}

/** What the call's end was, with what SIP said of it. */
export async function outcome(call: PhoneCall, timeout?: number) {
  const { endCause, error } = await call.ended(timeout);
  const sip = await call.do(({ details }) => details.error?.sip);
  return { endCause, error, sip };
}

/** Waits for the call's record. */
export async function recordOf(call: PhoneCall): Promise<Record<string, unknown>> {
  const callId = await call.do(({ callId }) => callId);
  let record: unknown;
  await expect
    .poll(async () => {
      record = await read(`calls/${callId}`);
      return record;
    }, soon)
    .toBeDefined();
  return record as Record<string, unknown>;
}
