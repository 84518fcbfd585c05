import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { asText, clock, type EventLog, filtered } from "../log";
import { Icon } from "./icon";
import { isWide } from "./wide";

export function LogPanel({ log }: { log: EventLog }) {
  const [filter, setFilter] = useState("");
  const [copied, setCopied] = useState("");
  const [detailed, setDetailed] = useState(false);
  const list = useRef<HTMLOListElement>(null);
  const entries = useMemo(() => filtered(log.entries, filter), [log.entries, filter]);
  const rows = useMemo(
    () =>
      entries
        .filter(({ level }) => detailed || level !== "debug")
        .map(({ id, time, level, area, text }) => (
          <li key={id} class={level}>
            <time dateTime={new Date(time).toISOString()}>{clock(time)}</time> <b>{area}</b>{" "}
            <span>{text}</span>
          </li>
        )),
    [entries, detailed],
  );

  // Follows the newest entry, unless somebody reads further up.
  const atEnd = useRef(true);
  useLayoutEffect(() => {
    if (atEnd.current && list.current) list.current.scrollTop = list.current.scrollHeight;
  });

  const copy = async () => {
    try {
      await navigator.clipboard.writeText(asText(entries));
      setCopied("Copied");
    } catch {
      setCopied("Refused");
    }
    setTimeout(() => setCopied(""), 2_000);
  };

  // On a narrow page it waits to be opened.
  return (
    <details class="log" open={isWide()}>
      <summary>
        Event log <span class="quiet">{rows.length}</span>
      </summary>
      <div class="log-tools">
        <input
          type="search"
          aria-label="Filter the log"
          placeholder="Filter"
          value={filter}
          onInput={(event) => setFilter(event.currentTarget.value)}
        />
        <button
          type="button"
          class="soft"
          data-testid="log-details"
          aria-pressed={detailed}
          title="Show each second's quality and the SDK's debug messages too"
          onClick={() => setDetailed(!detailed)}
        >
          Details
        </button>
        <button
          type="button"
          class="soft"
          data-testid="copy-log"
          title="Copy with all details"
          onClick={copy}
        >
          <Icon name="copy" />
          {copied || "Copy"}
        </button>
        <button type="button" class="soft" data-testid="clear-log" onClick={() => log.clear()}>
          Clear
        </button>
      </div>
      <ol
        ref={list}
        data-testid="log"
        // Reached by keyboard, to scroll it.
        // biome-ignore lint/a11y/noNoninteractiveTabindex: WCAG 2.1.1, a region that scrolls
        tabIndex={0}
        aria-label="Events"
        onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
          atEnd.current = scrollTop + clientHeight > scrollHeight - 40;
        }}
      >
        {rows}
      </ol>
    </details>
  );
}
