/** How large the tiles of a conference are: as large as they can be together. */
export interface Size {
  width: number;
  height: number;
}

/** Pixels between two tiles. As in style.css. */
export const gap = 8;
/** Smaller ones say nothing: the place is scrolled then. */
const least: Size = { width: 120, height: 90 };
/** Of width to height: what is wider or higher than that shows little of a person. */
const shape = { narrowest: 1, widest: 16 / 9 };

/** The tile that is looked at, and below it the others: in one row, or in rows that are scrolled to. */
export function largeAndSmall(others: number, place: Size): { large: Size; small: Size } {
  const high = Math.max(least.height, Math.min(140, Math.floor(place.height / 5)));
  const beside = (place.width - (others - 1) * gap) / others;
  const width = Math.floor(Math.min(place.width, Math.max(least.width, Math.min((high * 4) / 3, beside))));
  const small = { width, height: Math.floor((width * least.height) / least.width) };
  return {
    large: {
      width: Math.floor(place.width),
      height: Math.max(0, Math.floor(place.height - small.height - gap)),
    },
    small,
  };
}

/** The size of each of so many tiles in this place, in whole pixels. */
export function tileSize(count: number, place: Size): Size {
  let best: Size = { width: 0, height: 0 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const tile = shaped({
      width: (place.width - (columns - 1) * gap) / columns,
      height: (place.height - (rows - 1) * gap) / rows,
    });
    if (tile.width * tile.height > best.width * best.height) best = tile;
  }
  return best.width >= least.width && best.height >= least.height ? best : scrolled(count, place.width);
}

function shaped({ width, height }: Size): Size {
  const tile = {
    width: Math.min(width, height * shape.widest),
    height: Math.min(height, width / shape.narrowest),
  };
  return { width: Math.max(0, Math.floor(tile.width)), height: Math.max(0, Math.floor(tile.height)) };
}

/** So many beside each other as there is room for, and as high as they like. */
function scrolled(count: number, room: number): Size {
  const columns = Math.max(1, Math.min(count, Math.floor((room + gap) / (least.width + gap))));
  const width = Math.floor((room - (columns - 1) * gap) / columns);
  return { width, height: Math.floor((width * least.height) / least.width) };
}
