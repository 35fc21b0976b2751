// One stream for all tabs of a browser: over HTTP/1.1 it holds six connections to a host, and each stream is one.
// A shared worker: tabs say "listen" and "bye", and get { kind, data }; kind "closed" says that the stream has ended.
const tabs = new Set();
const latest = new Map(); // kind -> data, for a tab that comes later
let stream = null;

function tell(kind, data) {
  for (const tab of tabs) tab.postMessage({ kind, data });
}

function open() {
  stream = new EventSource("../events");
  for (const kind of ["live", "day"]) {
    stream.addEventListener(kind, (event) => {
      latest.set(kind, event.data);
      tell(kind, event.data);
    });
  }
  stream.onerror = () => {
    if (stream.readyState !== EventSource.CLOSED) return; // it tries again by itself
    close();
    tell("closed", "");
  };
}

function close() {
  stream?.close();
  stream = null;
  latest.clear();
}

addEventListener("connect", ({ ports: [tab] }) => {
  tab.onmessage = ({ data: said }) => {
    if (said === "listen") {
      tabs.add(tab);
      if (stream === null) open();
      else for (const [kind, data] of latest) tab.postMessage({ kind, data });
    } else {
      tabs.delete(tab);
      if (tabs.size === 0) close();
    }
  };
});
