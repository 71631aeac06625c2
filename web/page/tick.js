// Ticks once, after as many ms as it is told.
onmessage = ({ data }) => setTimeout(() => postMessage(0), data);
