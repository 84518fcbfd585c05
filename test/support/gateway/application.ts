/** An application that can call phones: trunks, a rate card, and money in an account of its own. */
import type { Server } from "../server";
import type { GatewayAccess } from "./gateway";

/** Micro-units: two cents for the answer, and one for each second that was begun. */
export const rate = { connectFee: 20_000, second: 10_000 };
const rateCard = "prefix,name,perMinute,connectFee,increment\n46,Sweden,0.60,0.02,1\n";
const topUp = 100_000_000;

type Platform = Pick<Server, "url" | "adminToken">;

export interface PhoneApplication {
  applicationKey: string;
  applicationSecret: string;
  accountId: string;
}

/** What of an entry of the ledger the tests look at. */
export interface LedgerEntry {
  seq: number;
  kind: string;
  amount: number;
  balance: number;
  callId?: string;
}

/** With these trunks, in this order of preference. */
export async function newPhoneApplication(
  platform: Platform,
  trunks: GatewayAccess[],
  amount = topUp,
): Promise<PhoneApplication> {
  const accountId = `phones-${crypto.randomUUID().slice(0, 8)}`;
  const made = await asAdministrator(platform, "POST", "applications", {
    name: "phones",
    account: accountId,
  });
  const { applicationKey, applicationSecret } = made as Omit<PhoneApplication, "accountId">;
  for (const [preference, trunk] of trunks.entries()) {
    const what = { name: `trunk ${preference}`, ...trunk, preference, prefixes: ["+46"], domains: ["*"] };
    await asAdministrator(platform, "POST", `applications/${applicationKey}/trunks`, what);
  }
  await asAdministrator(platform, "PUT", "rates", rateCard);
  if (amount > 0) await asAdministrator(platform, "POST", `accounts/${accountId}/top-ups`, { amount });
  return { applicationKey, applicationSecret, accountId };
}

/** A request below `/v1/admin/`. Errors: it was refused. */
export async function asAdministrator(
  { url, adminToken }: Platform,
  method: string,
  path: string,
  what?: object | string,
): Promise<unknown> {
  const isText = typeof what === "string";
  const answer = await fetch(`${url}/v1/admin/${path}`, {
    method,
    headers: {
      authorization: `Bearer ${adminToken}`,
      ...(what !== undefined && { "content-type": isText ? "text/csv" : "application/json" }),
    },
    body: isText ? what : JSON.stringify(what),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

/** A read with the application's own credentials; undefined for what is not there. */
export async function asApplication(
  { url }: Platform,
  { applicationKey, applicationSecret }: PhoneApplication,
  path: string,
): Promise<unknown> {
  const authorization = `Basic ${btoa(`${applicationKey}:${applicationSecret}`)}`;
  const answer = await fetch(`${url}/v1/${path}`, { headers: { authorization } });
  return answer.ok ? answer.json() : undefined;
}

/** All of the ledger, newest first: the tests' are short. */
export async function ledgerOf(platform: Platform, application: PhoneApplication): Promise<LedgerEntry[]> {
  const page = await asApplication(platform, application, "credits/ledger?limit=100");
  return (page as { entries: LedgerEntry[] }).entries;
}

/** What the entries of one call come to, by kind. */
export function sumOf(entries: LedgerEntry[], callId: string, ...kinds: string[]): number {
  return entries
    .filter((entry) => entry.callId === callId && kinds.includes(entry.kind))
    .reduce((sum, { amount }) => sum + amount, 0);
}
