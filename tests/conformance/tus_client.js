// Drives tus-js-client against the service: node tus_client.js MODULE ADDRESS TOKEN FILE ACTION
// Prints one line of JSON: what the client saw.
'use strict'
const fs = require('fs')
const { PassThrough } = require('stream')
const [module_, address, token, file, action] = process.argv.slice(2)
const tus = require(module_)

const storage = new tus.FileUrlStorage(`${file}.urls`)
const requests = []
let seen = null

function options(more) {
  return {
    endpoint: `${address}/api/v1/uploads`,
    headers: { Authorization: `Bearer ${token}` },
    metadata: { case: 'KRN', filename: 'صورة.jpg' },
    metadataForPartialUploads: {},
    retryDelays: null,
    chunkSize: 400000,
    urlStorage: storage,
    onBeforeRequest: (request) => { requests.push(request.getMethod()) },
    onAfterResponse: (request, response) => {
      seen = response.getHeader('Evidence-Exhibit') || seen
    },
    onError: (error) => { done({ error: String(error) }) },
    onSuccess: () => { done({}) },
    ...more,
  }
}

function done(more) {
  console.log(JSON.stringify({ exhibit: seen, url: upload.url, requests, ...more }))
  process.exit(more.error ? 1 : 0)
}

function source() {
  return fs.createReadStream(file)
}

let upload
const actions = {
  once: () => new tus.Upload(source(), options({})),
  withCreation: () => new tus.Upload(source(), options({ uploadDataDuringCreation: true })),
  // A plain stream: of a file it announces more bytes in its last block than there are.
  deferred: () => new tus.Upload(
    source().pipe(new PassThrough()), options({ uploadLengthDeferred: true })),
  parallel: () => new tus.Upload(source(), options({ parallelUploads: 3 })),
  // Stops after the second block, as a closed laptop does; `resume` goes on in another process.
  abort: () => new tus.Upload(source(), options({
    onChunkComplete: (_, accepted) => {
      if (accepted >= 800000) upload.abort().then(() => done({ accepted }))
    },
  })),
  resume: () => new tus.Upload(source(), options({})),
  terminate: () => new tus.Upload(source(), options({
    onChunkComplete: () => upload.abort(true).then(() => done({ terminated: true })),
  })),
}

upload = actions[action]()
upload.findPreviousUploads().then((before) => {
  if (action === 'resume') upload.resumeFromPreviousUpload(before[0])
  upload.start()
})
