/** What is different in the life of a call to a phone or a SIP address: its leg's news, and its money. */
import { errorBody, fail, ok, type Result, serverLimits } from "../../protocol";
import { fundingDeadlines } from "./billing";
import { type Bill, isSameUser } from "./call-data";
import { tell } from "./call-log";
import type { CallInput } from "./inputs";
import { type AnsweredEvent, end, establish, oneDevice, progress, type Run, ring, take } from "./moves";

const done = ok(null);

export function lineReady(run: Run, bill: Bill | undefined): Result<null> {
  const { call, now } = run;
  if (call.state !== "initiating") return done;
  if (bill) call.bill = bill;
  if (call.callee.line !== "test") return done;
  connect(run, "recording", { candidates: [], prompt: serverLimits.promptPath });
  call.deadlines.prompt = now + serverLimits.promptSeconds * 1_000;
  return done;
}

export function hearLine(
  run: Run,
  { from, connection, news }: Extract<CallInput, { type: "line" }>,
): Result<null> {
  const { call } = run;
  if (!isSameUser(call.callee, from)) return fail("notFound");
  if (call.state === "ended") {
    return news.news === "ended" ? done : fail("conflict", { detail: "the call has ended" });
  }
  const answered = call.callee.connection !== undefined;
  if (news.news === "ended") end(run, news.cause, news.error, news.headers);
  else if (answered) return done;
  else if (news.news === "trying") progress(run, oneDevice(call));
  else if (news.news === "answered") {
    const { description, headers } = news;
    connect(run, connection, { description, candidates: [], ...(headers && { headers }) });
  } else {
    ring(run);
    if (news.news === "early") tell(call, "caller", { event: "earlyMedia", description: news.description });
  }
  return done;
}

/** A line has answered. Whether it hears the caller nobody tells: it counts as such. */
function connect(run: Run, connection: string, answer: Omit<AnsweredEvent, "event" | "time">): void {
  const { call, now } = run;
  take(run, connection, answer);
  call.flowing.callee = true;
  // Its host in the conference hears it, or does not: the room sees to that.
  if (call.caller.line) establish(run);
  if (call.bill) Object.assign(call.deadlines, fundingDeadlines(call.bill, now));
}

export function fund(run: Run, input: Extract<CallInput, { type: "funded" | "unfunded" }>): Result<null> {
  const { call } = run;
  const { bill, times } = call;
  if (!bill || times.answered === undefined || call.state === "ended") return done;
  if (input.type === "funded") {
    call.bill = { ...bill, held: input.held, slices: input.slice, refused: false, askedLate: false };
    Object.assign(call.deadlines, fundingDeadlines(call.bill, times.answered));
    // It is asked again until then: somebody may top up.
  } else bill.refused = !input.failed;
  return done;
}

/** What is held is used up. Where nobody could tell whether there is more, that is no lack of money. */
export function goBroke(run: Run): void {
  const { call, now } = run;
  if (call.bill && !call.bill.refused && !call.bill.askedLate) {
    // The server was away when it should have asked.
    call.bill.askedLate = true;
    call.deadlines.broke = now + 5_000;
    run.effects.push({ type: "fund" });
  } else if (call.bill?.refused) end(run, "insufficientFunds", errorBody("insufficientFunds"));
  else end(run, "failure", errorBody("unavailable", { detail: "the credit could not be looked up" }));
}
