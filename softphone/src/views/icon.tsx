const paths = {
  phone:
    "M6.5 3.5h3l1.5 4.5-2 1.5a12 12 0 0 0 5.5 5.5l1.5-2 4.5 1.5v3a2 2 0 0 1-2.2 2A16.5 16.5 0 0 1 4.5 5.7a2 2 0 0 1 2-2.2z",
  hangup:
    "M3 13.5c0-1 .4-1.8 1.2-2.4a13 13 0 0 1 15.6 0c.8.6 1.2 1.4 1.2 2.4v2.3l-4.8-.9v-3a13 13 0 0 0-8.4 0v3l-4.8.9z",
  video:
    "M3.5 7.5a1.5 1.5 0 0 1 1.5-1.5h8a1.5 1.5 0 0 1 1.5 1.5v9a1.5 1.5 0 0 1-1.5 1.5H5a1.5 1.5 0 0 1-1.5-1.5zM14.5 10.5l6-3.5v10l-6-3.5",
  microphone:
    "M12 3.5a2.7 2.7 0 0 1 2.7 2.7v5.1a2.7 2.7 0 0 1-5.4 0V6.2A2.7 2.7 0 0 1 12 3.5zM6 11.5a6 6 0 0 0 12 0M12 17.5v3M9 20.5h6",
  muted:
    "M12 3.5a2.7 2.7 0 0 1 2.7 2.7v5.1a2.7 2.7 0 0 1-5.4 0V6.2A2.7 2.7 0 0 1 12 3.5zM6 11.5a6 6 0 0 0 12 0M12 17.5v3M9 20.5h6M4 4l16 16",
  hold: "M9 6v12M15 6v12",
  resume: "M8 5.5l10.5 6.5L8 18.5z",
  screen:
    "M4.5 5h15A1.5 1.5 0 0 1 21 6.5v9a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 15.5v-9A1.5 1.5 0 0 1 4.5 5zM8 20.5h8M12 14V8.5M9.5 10.5L12 8l2.5 2.5",
  keypad: "M6 6h.01M12 6h.01M18 6h.01M6 12h.01M12 12h.01M18 12h.01M6 18h.01M12 18h.01M18 18h.01",
  devices:
    "M4 8h9M17 8h3M4 16h3M11 16h9M15 5.8a2.2 2.2 0 1 1 0 4.4 2.2 2.2 0 0 1 0-4.4zM9 13.8a2.2 2.2 0 1 1 0 4.4 2.2 2.2 0 0 1 0-4.4z",
  pause:
    "M3.5 7.5A1.5 1.5 0 0 1 5 6h8a1.5 1.5 0 0 1 1.5 1.5v9A1.5 1.5 0 0 1 13 18H5a1.5 1.5 0 0 1-1.5-1.5zM7.5 10v4M10.5 10v4M14.5 10.5l6-3.5v10l-6-3.5",
  fill: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  close: "M6 6l12 12M18 6L6 18",
  auto: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
  light:
    "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  dark: "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z",
  help: "M9 9.2a3 3 0 1 1 4.3 2.7c-.9.5-1.3 1-1.3 2.1M12 17.5h.01",
  out: "M14 4.5H6.5A1.5 1.5 0 0 0 5 6v12a1.5 1.5 0 0 0 1.5 1.5H14M10.5 12H20M16.5 8l4 4-4 4",
  copy: "M9 8.5h9a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1H9a1 1 0 0 1-1-1v-9a1 1 0 0 1 1-1zM5 15.5v-10a1 1 0 0 1 1-1h9",
} as const;

export type IconName = keyof typeof paths;

/** A line drawing of 24 by 24; what it means is said by the text beside it. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}

/** The sign of Carillon: three bells on a beam. */
export function Bells() {
  return (
    <svg class="bells" viewBox="6 12 52 40" aria-hidden="true" focusable="false">
      <path class="beam" d="M10 15h44" />
      <path
        class="side"
        d="M14.5 17v7.2c-3 .4-4.3 2.8-4.3 6 0 2.9-.8 4.2-2 5.4h12.6c-1.2-1.2-2-2.5-2-5.4 0-3.2-1.3-5.6-4.3-6zM49.5 17v7.2c3 .4 4.3 2.8 4.3 6 0 2.9.8 4.2 2 5.4H43.2c1.2-1.2 2-2.5 2-5.4 0-3.2 1.3-5.6 4.3-6z"
      />
      <path
        class="great"
        d="M32 17v3c-6.5 0-9.5 5-9.5 11.5 0 6-1.5 8.5-4 11h27c-2.5-2.5-4-5-4-11C41.5 25 38.5 20 32 20zM32 43.2a3.8 3.8 0 1 1 0 7.6 3.8 3.8 0 0 1 0-7.6z"
      />
    </svg>
  );
}
