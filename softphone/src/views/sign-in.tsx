import { useEffect, useRef } from "preact/hooks";
import { parseLink } from "../link";
import type { Phone } from "../phone";

export function SignIn({ phone }: { phone: Phone }) {
  const { remembered, signingIn, problem } = phone;
  const token = useRef<HTMLInputElement>(null);
  const known = remembered.key !== "" && remembered.user !== "";

  useEffect(() => {
    if (known && !signingIn) token.current?.focus();
  }, [known, signingIn]);

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const value = (name: string) => String(form.get(name) ?? "").trim();
    void phone.signIn({ key: value("key"), user: value("user"), token: value("token") });
  };
  // Somebody who has a link may paste it where the key goes.
  const pasted = (event: ClipboardEvent) => {
    const link = parseLink(event.clipboardData?.getData("text").split("#")[1] ?? "");
    if (!link.key || !link.user) return;
    event.preventDefault();
    void phone.signIn(link);
  };

  return (
    <form class="card sign-in" data-testid="sign-in-form" onSubmit={submit} aria-busy={signingIn}>
      <h2>Sign in</h2>
      <label>
        Application key
        <input
          name="key"
          data-testid="key"
          required
          autocomplete="off"
          spellcheck={false}
          placeholder="196087a1-e815-4bc4-8984-60d8d8a43f1d"
          defaultValue={parseLink(location.hash).key || remembered.key}
          onPaste={pasted}
        />
      </label>
      <label>
        User
        <input
          name="user"
          data-testid="user"
          required
          maxLength={40}
          autocomplete="username"
          autocapitalize="none"
          spellcheck={false}
          placeholder="alice"
          defaultValue={parseLink(location.hash).user || remembered.user}
        />
      </label>
      <label>
        Token
        <input
          ref={token}
          name="token"
          data-testid="token"
          type="password"
          autocomplete="off"
          aria-describedby="token-help"
          aria-invalid={problem !== undefined}
        />
      </label>
      <p id="token-help" class="quiet">
        Made by your app's server, or with <code>npm run carillon -- user token</code>. It works once; this
        browser stays signed in afterwards, and needs none then.
      </p>
      <button type="submit" class="primary" data-testid="sign-in" disabled={signingIn}>
        {signingIn ? "Signing in…" : "Sign in"}
      </button>
    </form>
  );
}
