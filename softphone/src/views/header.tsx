import type { Phone } from "../phone";
import type { Theme } from "../remembered";
import { Bells, Icon } from "./icon";

const nextTheme: Record<Theme, Theme> = { auto: "light", light: "dark", dark: "auto" };
const themeWords: Record<Theme, string> = { auto: "as the system", light: "light", dark: "dark" };

export function Header({ phone }: { phone: Phone }) {
  const { session, online, remembered } = phone;
  const theme = remembered.theme;
  return (
    <header>
      <h1>
        <Bells />
        <span>Carillon</span>
      </h1>
      {session && (
        <p class="identity">
          <strong data-testid="me">{session.user}</strong>
          <span
            class={online ? "connection online" : "connection"}
            data-testid="connection"
            aria-live="polite"
          >
            {online ? "online" : "offline"}
          </span>
        </p>
      )}
      <div class="tools">
        <button
          type="button"
          class="plain"
          title={`Colours: ${themeWords[theme]}`}
          aria-label={`Colours: ${themeWords[theme]}. Change`}
          onClick={() => phone.setTheme(nextTheme[theme])}
        >
          <Icon name={theme} />
        </button>
        <button
          type="button"
          class="plain"
          title="Keyboard shortcuts"
          aria-label="Keyboard shortcuts"
          onClick={() => {
            phone.helpShown = true;
            phone.changed();
          }}
        >
          <Icon name="help" />
        </button>
        {session && (
          <button
            type="button"
            class="plain"
            title="Your name, and being woken"
            aria-label="Your name, and being woken"
            data-testid="settings"
            onClick={() => {
              phone.settingsShown = true;
              phone.changed();
            }}
          >
            <Icon name={session.wake.on ? "bell" : "asleep"} />
          </button>
        )}
        {session && (
          <button
            type="button"
            class="plain"
            title="Sign out"
            aria-label="Sign out"
            data-testid="sign-out"
            onClick={() => phone.signOut()}
          >
            <Icon name="out" />
          </button>
        )}
      </div>
    </header>
  );
}
