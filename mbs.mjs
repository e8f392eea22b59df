import { startSqsServer } from "/tmp/wt-wall/dist/test/emulated/sqs-server.js";
import { startS3Server } from "/tmp/wt-wall/dist/test/emulated/s3-server.js";
const s3=await startS3Server();const sqs=await startSqsServer(); const {url}=await sqs.createQueue("q",{});
process.send({s3:s3.endpoint,sqs:sqs.endpoint,url});
process.on('message',()=>{const u=process.cpuUsage();process.send({cpu:(u.user+u.system)/1000})});
