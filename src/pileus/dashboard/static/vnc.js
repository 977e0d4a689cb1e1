// A server's screen.
import RFB from "./vendor/novnc/core/rfb.js";
import { show, socketAddress } from "./address.js";

const address = socketAddress(window.location);
if (address === null) {
  show("closed", "This address holds no console's token.");
} else {
  const screen = new RFB(document.getElementById("screen"), address);
  screen.scaleViewport = true;
  screen.addEventListener("connect", () => {
    show("connected", "connected");
    const keys = document.getElementById("keys");
    keys.hidden = false;
    keys.addEventListener("click", () => { screen.sendCtrlAltDel(); screen.focus(); });
    screen.focus();
  });
  screen.addEventListener("disconnect", (event) => {
    show("closed", event.detail.clean ? "closed" : "The connection ended. A console's address works once: ask for a new one.");
  });
  screen.addEventListener("desktopname", (event) => {
    document.getElementById("name").textContent = event.detail.name;
  });
}
