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
import { Gateway, type GatewayAccess, numbers } from "../../support/gateway/gateway";
import type { PhoneLeg } from "../../support/gateway/sip-phone";
import { installMicrophone } from "./tones";

export { numbers, soon };

/** Micro-units. */
const topUp = 100_000_000;
/** A call costs two cents, and a cent for each second that was begun. */
const rateCard = "prefix,name,perMinute,connectFee,increment\n46,Sweden,0.60,0.02,1\n";
export const rate = { connectFee: 20_000, second: 10_000 };

let gateway: Gateway;
let application: Application;

interface Application {
  applicationKey: string;
  applicationSecret: string;
  accountId: string;
}

/** One gateway for the tests of a file, and an application that calls through it. */
export function useGateway(): void {
  useBrowser();
  beforeAll(async () => {
    gateway = await Gateway.start();
    application = await newApplication([{}]);
  });
  afterEach(({ task }) => {
    if (task.result?.state === "fail") console.log(gateway.log());
  });
  afterAll(() => gateway?.stop());
}

export const theGateway = (): Gateway => gateway;
export const theApplication = (): Application => application;

/** An application in an account of its own, with these trunks to the gateway, in this order. */
export async function newApplication(trunks: Partial<GatewayAccess>[]): Promise<Application> {
  const accountId = `gateway-${crypto.randomUUID().slice(0, 8)}`;
  const made = await asAdministrator("POST", "applications", { name: "gateway", account: accountId });
  const { applicationKey, applicationSecret } = made as Omit<Application, "accountId">;
  for (const [preference, trunk] of trunks.entries()) {
    const name = `trunk ${preference}`;
    const what = { name, ...gateway.access, ...trunk, preference, prefixes: ["+46"], domains: ["*"] };
    await asAdministrator("POST", `applications/${applicationKey}/trunks`, what);
  }
  await asAdministrator("PUT", "rates", rateCard);
  await asAdministrator("POST", `accounts/${accountId}/top-ups`, { amount: topUp });
  return { applicationKey, applicationSecret, accountId };
}

/** A request below `/v1/admin/`. */
export async function asAdministrator(
  method: string,
  path: string,
  what?: object | string,
): Promise<unknown> {
  const { url, adminToken } = inject("server");
  const [type, body] =
    typeof what === "string" ? ["text/csv", what] : ["application/json", JSON.stringify(what)];
  const answer = await fetch(`${url}/v1/admin/${path}`, {
    method,
    headers: { authorization: `Bearer ${adminToken}`, ...(what !== undefined && { "content-type": type }) },
    body,
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

/** A request with the application's own credentials. */
export async function asApplication(path: string): Promise<unknown> {
  const { applicationKey, applicationSecret } = application;
  const authorization = `Basic ${btoa(`${applicationKey}:${applicationSecret}`)}`;
  const answer = await fetch(`${inject("server").url}/v1/${path}`, { headers: { authorization } });
  return answer.ok ? answer.json() : undefined;
}

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
  const { callId } = await call.do(({ callId }) => ({ callId }));
  let record: unknown;
  await expect
    .poll(async () => {
      record = await asApplication(`calls/${callId}`);
      return record;
    }, soon)
    .toBeDefined();
  return record as Record<string, unknown>;
}
