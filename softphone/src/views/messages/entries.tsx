import type { VNode } from "preact";
import { useMemo } from "preact/hooks";
import type { Post } from "../../messages/post";
import { type Entry, failuresOf, keyOf, markOf } from "../../messages/thread";
import { dayOf, timeOfDay } from "../../words";
import { Code } from "../code";
import { Ticks } from "./ticks";

/** The messages, by day. Drawn anew only where something has changed. */
export function Entries({ entries, post, now }: { entries: readonly Entry[]; post: Post; now: number }) {
  const drawn = useMemo(() => new WeakMap<Entry, VNode>(), []);
  const today = dayOf(now, now);
  return (
    <>
      {entries.flatMap((entry, i) => {
        const before = entries[i - 1];
        const day = dayOf(entry.time, now);
        const newDay = !before || dayOf(before.time, now) !== day;
        const row = drawn.get(entry) ?? <Row key={keyOf(entry)} entry={entry} post={post} />;
        drawn.set(entry, row);
        if (!newDay) return [row];
        const label = before || day !== today ? day : undefined;
        return label === undefined
          ? [row]
          : [
              <li key={`day ${label}`} class="day">
                {label}
              </li>,
              row,
            ];
      })}
    </>
  );
}

function Row({ entry, post }: { entry: Entry; post: Post }) {
  const mine = entry.senderId === post.me;
  const mark = markOf(entry);
  const group = entry.recipientIds.length > 1;
  const classes = ["entry", mine ? "mine" : "theirs", mine && mark === "failed" && "failed"];
  return (
    <li
      class={classes.filter(Boolean).join(" ")}
      data-testid="message"
      data-id={entry.messageId}
      data-from={entry.senderId ?? ""}
      data-mark={mine ? mark : undefined}
    >
      <div class="bubble">
        {group && !mine && <p class="from">{entry.senderId ?? "The app"}</p>}
        {/* Everything in it is text, whoever wrote it. */}
        <p class="text" dir="auto" data-testid="text">
          <span class="unseen">{mine ? "You: " : `${entry.senderId ?? "The app"}: `}</span>
          {entry.text}
        </p>
        <p class="meta">
          <time dateTime={new Date(entry.time).toISOString()}>{timeOfDay(entry.time)}</time>
          {mine && <Ticks entry={entry} />}
        </p>
      </div>
      {mine && <Failures entry={entry} post={post} />}
    </li>
  );
}

/** Who does not get it, why, and what can be done. */
function Failures({ entry, post }: { entry: Entry; post: Post }) {
  const whole = markOf(entry) === "failed";
  const one = entry.recipientIds.length === 1;
  return (
    <>
      {failuresOf(entry).map(({ users, failure }) => (
        <div key={failure.code} class="failure" data-testid="failure" data-code={failure.code}>
          <p>
            <strong>{one ? "Not sent." : `Not sent to ${users.join(", ")}.`}</strong> {failure.message}{" "}
            <Code text={failure.hint} />
          </p>
          {!whole && (
            <button type="button" class="soft" data-testid="again" onClick={() => post.again(entry, users)}>
              Send again to {users.length === 1 ? users[0] : "these"} alone
            </button>
          )}
        </div>
      ))}
      {whole && (
        <div class="failure">
          <button type="button" class="soft" data-testid="again" onClick={() => post.again(entry, [])}>
            Send again
          </button>
          <button type="button" class="soft" data-testid="remove" onClick={() => post.remove(entry)}>
            Remove
          </button>
        </div>
      )}
    </>
  );
}
