import type { Phone } from "../phone";
import { Code } from "./code";
import { Icon } from "./icon";

/** What went wrong, and what this browser lacks. */
export function Notices({ phone }: { phone: Phone }) {
  const { problem, issues } = phone;
  if (!problem && issues.length === 0) return null;
  return (
    <div class={problem ? "notice problem" : "notice"}>
      <div>
        {problem && (
          <div role="alert" data-testid="error" data-code={problem.code}>
            <p>
              <strong>{problem.message}</strong>
            </p>
            {problem.hint && (
              <p>
                <Code text={problem.hint} />
              </p>
            )}
            {(problem.code || problem.reference) && (
              <p class="quiet">
                {problem.code && `Error ${problem.code}`}
                {problem.reference && ` · reference ${problem.reference}`}
              </p>
            )}
          </div>
        )}
        {issues.map(({ check, message, hint }) => (
          <div key={check} data-testid="issue" data-check={check}>
            <p>
              <strong>{message}</strong>
            </p>
            <p>{hint}</p>
          </div>
        ))}
      </div>
      <button
        type="button"
        class="plain"
        aria-label="Dismiss"
        title="Dismiss"
        onClick={() => phone.dismiss()}
      >
        <Icon name="close" />
      </button>
    </div>
  );
}
