/** The messages stand beside the calls, and not under them. As in style.css. */
export const isWide = () => matchMedia("(min-width: 62rem)").matches;
