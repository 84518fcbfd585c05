import type { Phone, Session } from "../../phone";

/** Says that there is no connection, and that nothing is lost by that. */
export function Offline({ phone, session }: { phone: Phone; session: Session }) {
  const waiting = phone.online ? 0 : session.post.waiting;
  return (
    <div role="status">
      {!phone.online && (
        <p class="offline" data-testid="offline-banner">
          <strong>You are offline.</strong>{" "}
          {waiting === 0
            ? "What you write goes out when you are back."
            : waiting === 1
              ? "One message waits to go out."
              : `${waiting} messages wait to go out.`}
        </p>
      )}
    </div>
  );
}
