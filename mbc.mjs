import {fork} from "node:child_process"; import {once} from "node:events";
import { S3ObjectStore } from "/tmp/wt-wall/dist/shared/storage/s3-store.js";
import { SqsQueue } from "/tmp/wt-wall/dist/shared/queues/sqs-queue.js";
import { S3Client } from "@aws-sdk/client-s3"; import { SQSClient } from "@aws-sdk/client-sqs";
const c=fork("./mbs.mjs"); const [e]=await once(c,'message');
const credentials={accessKeyId:"e",secretAccessKey:"e"};
const N=+(process.argv[2]??400); 
const store=new S3ObjectStore({client:new S3Client({region:"us-east-1",endpoint:e.s3,forcePathStyle:true,credentials,...JSON.parse(process.argv[3]??"{}")}),bucket:"b"});
const q=new SqsQueue({client:new SQSClient({region:"us-east-1",endpoint:e.sqs,useQueueUrlAsEndpoint:false,credentials,...JSON.parse(process.argv[3]??"{}")}),url:e.url});
const body=Buffer.from(JSON.stringify({a:"x".repeat(800)}));
const cpu=()=>{const u=process.cpuUsage();return (u.user+u.system)/1000};
const server=async()=>{c.send(1);const [m]=await once(c,'message');return m.cpu};
async function rep(name,n,f){const s=await server();const c0=cpu();for(let i=0;i<n;i++)await f(i);console.log(name,'client',((cpu()-c0)/n).toFixed(2),'server',((await server()-s)/n).toFixed(2))}
for(let r=0;r<3;r++){await rep('put',N/4,(i)=>store.put("k"+r+i,body,{ifNoneMatch:true}));
await rep('send',N/4,(i)=>q.send([{body:body.toString()}]));}
c.kill();process.exit(0);
