/** The worker of hardpack with a device that can be taken away: a message on a channel destroys it. */

const devices: GPUDevice[] = []
const { requestDevice } = GPUAdapter.prototype
GPUAdapter.prototype.requestDevice = async function (descriptor) {
  const device = await requestDevice.call(this, descriptor)
  devices.push(device)
  return device
}

const channel = new BroadcastChannel('hardpack-faults')
channel.addEventListener('message', () => {
  for (const device of devices.splice(0)) device.destroy()
  channel.postMessage('destroyed')
})

await import('../../targets/browser/worker.ts')

export {}
