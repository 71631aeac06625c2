// A clock: says something every so many ms, from the first message on.
onmessage = ({ data }) => setInterval(() => postMessage(0), data);
