/*
 *     limited URL STORE DURABILITY     fills the store until it fails, and prints what happened
 */
import { fill } from './fill.ts'

const [url = '', place = '', durability = ''] = process.argv.slice(2)
console.log(JSON.stringify(await fill(url, place, durability as 'process' | 'disk')))
