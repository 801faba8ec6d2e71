// Files that are dropped anywhere on the page, from outside or from a message in it.

import { find } from "./dom.js";
import { draggedFile, isDragged } from "./files.js";

// `ondrop(files)` is called for what is dropped, `ontrouble(sentence)` when it cannot be had.
export function watchDrops({ ondrop, ontrouble }) {
  const curtain = find("drop");
  let depth = 0; // enter and leave come for every element on the way
  const carries = ({ dataTransfer }) => dataTransfer?.types.includes("Files") || isDragged(dataTransfer);
  const end = () => {
    depth = 0;
    curtain.hidden = true;
  };
  addEventListener("dragenter", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    depth += 1;
    curtain.hidden = false;
  });
  addEventListener("dragover", (event) => carries(event) && event.preventDefault());
  addEventListener("dragleave", (event) => {
    if (!carries(event)) return;
    depth = Math.max(0, depth - 1);
    curtain.hidden = depth === 0;
  });
  addEventListener("drop", async (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    end();
    if (!isDragged(event.dataTransfer)) {
      ondrop([...event.dataTransfer.files]);
      return;
    }
    try {
      ondrop([await draggedFile(event.dataTransfer)]);
    } catch (trouble) {
      ontrouble(trouble.message);
    }
  });
  addEventListener("dragend", end);
}
