/**
 * A `wrangler` that keeps its account in the file that WRANGLER_ACCOUNT names, and writes down what
 * it was asked. As strict as the real one where the deployment relies on it.
 */
import { readFileSync, writeFileSync } from "node:fs";

const file = process.env.WRANGLER_ACCOUNT;
const account = JSON.parse(readFileSync(file, "utf8"));
const args = process.argv.slice(2);
const call = args.join(" ");
account.calls.push(call);

const env = args[args.indexOf("--env") + 1];
const input = args.includes("put") ? readFileSync(0, "utf8") : "";
const fail = (text) => {
  console.error(text);
  return 1;
};

function answer() {
  if (call === "whoami")
    return console.log(account.loggedIn ? "You are logged in" : "You are not authenticated.");
  if (call.includes("--dry-run")) return console.log("--dry-run: exiting now.");
  if (!account.loggedIn) return fail("Not logged in.");
  if (call === account.failAt) return fail("Something broke.");
  if (call === "d1 list --json") {
    console.error("▲ [WARNING] a warning beside the JSON");
    return console.log(JSON.stringify(account.databases));
  }
  if (call.startsWith("d1 create ")) {
    account.databases.push({ name: args[2], uuid: `id-of-${args[2]}` });
    return undefined;
  }
  if (call.startsWith("queues info ")) {
    const broken = `✘ [ERROR] Queue "${args[2]}" does not\n  exist. To create it, run: wrangler queues create`;
    return account.queues.includes(args[2]) ? console.log(`Queue Name: ${args[2]}`) : fail(broken);
  }
  if (call.startsWith("queues create ")) {
    if (account.queues.includes(args[2])) return fail("Queue name is already taken.");
    account.queues.push(args[2]);
    return undefined;
  }
  if (call.startsWith("d1 migrations apply DB --remote")) return undefined;
  if (args[0] === "deploy") {
    if (account.queues.filter((name) => name.startsWith(`carillon-${env}-push`)).length < 2)
      return fail(`Queue "carillon-${env}-push" does not exist.`);
    account.workers[env] ??= {};
    return console.log(`Deployed carillon-${env}\n  https://carillon-${env}.example.workers.dev\n`);
  }
  if (!account.workers[env]) return fail("This Worker does not exist.");
  if (call.startsWith("secret list")) {
    return console.log(JSON.stringify(Object.keys(account.workers[env]).map((name) => ({ name }))));
  }
  if (call.startsWith("secret put")) {
    account.workers[env][args[2]] = input;
    return undefined;
  }
  return fail(`unknown: ${call}`);
}

process.exitCode = answer() ?? 0;
writeFileSync(file, JSON.stringify(account));
