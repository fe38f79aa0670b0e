/** Code, name, packets: section 11.3. */
export const REASON_CODES = `| 0 | Success | 2 4 5 6 7 11 15 |
| 0 | Normal disconnection | 14 |
| 0 | Granted QoS 0 | 9 |
| 1 | Granted QoS 1 | 9 |
| 2 | Granted QoS 2 | 9 |
| 4 | Disconnect with will message | 14 |
| 16 | No matching subscribers | 4 5 |
| 17 | No subscription found | 11 |
| 24 | Continue authentication | 15 |
| 25 | Re-authenticate | 15 |
| 128 | Unspecified error | 2 4 5 9 11 14 |
| 129 | Malformed packet | 2 14 |
| 130 | Protocol error | 2 14 |
| 131 | Implementation specific error | 2 4 5 9 11 14 |
| 132 | Unsupported protocol version | 2 |
| 133 | Client identifier not valid | 2 |
| 134 | Bad user name or password | 2 |
| 135 | Not authorized | 2 4 5 9 11 14 |
| 136 | Server unavailable | 2 |
| 137 | Server busy | 2 14 |
| 138 | Banned | 2 |
| 139 | Server shutting down | 14 |
| 140 | Bad authentication method | 2 14 |
| 141 | Keep alive timeout | 14 |
| 142 | Session taken over | 14 |
| 143 | Topic filter invalid | 9 11 14 |
| 144 | Topic name invalid | 2 4 5 14 |
| 145 | Packet identifier in use | 4 5 9 11 |
| 146 | Packet identifier not found | 6 7 |
| 147 | Receive maximum exceeded | 14 |
| 148 | Topic alias invalid | 14 |
| 149 | Packet too large | 2 14 |
| 150 | Message rate too high | 14 |
| 151 | Quota exceeded | 2 4 5 9 14 |
| 152 | Administrative action | 14 |
| 153 | Payload format invalid | 4 5 14 |
| 154 | Retain not supported | 2 14 |
| 155 | QoS not supported | 2 14 |
| 156 | Use another server | 2 14 |
| 157 | Server moved | 2 14 |
| 158 | Shared subscription not supported | 9 14 |
| 159 | Connection rate exceeded | 2 14 |
| 160 | Maximum connect time | 14 |
| 161 | Subscription identifiers not supported | 9 14 |
| 162 | Wildcard subscription not supported | 9 14 |`

/** Name, identifier, type, packets: section 11.4. */
export const PROPERTIES = `| Payload Format Indicator | 1 | 0 | 3 99 |
| Message Expiry Interval | 2 | 2 | 3 99 |
| Content Type | 3 | 5 | 3 99 |
| Response Topic | 8 | 5 | 3 99 |
| Correlation Data | 9 | 4 | 3 99 |
| Subscription Identifier | 11 | 3 | 3 8 |
| Session Expiry Interval | 17 | 2 | 1 2 14 |
| Assigned Client Identifier | 18 | 5 | 2 |
| Server Keep Alive | 19 | 1 | 2 |
| Authentication Method | 21 | 5 | 1 2 15 |
| Authentication Data | 22 | 4 | 1 2 15 |
| Request Problem Information | 23 | 0 | 1 |
| Will Delay Interval | 24 | 2 | 99 |
| Request Response Information | 25 | 0 | 1 |
| Response Information | 26 | 5 | 2 |
| Server Reference | 28 | 5 | 2 14 |
| Reason String | 31 | 5 | 2 4 5 6 7 9 11 14 15 |
| Receive Maximum | 33 | 1 | 1 2 |
| Topic Alias Maximum | 34 | 1 | 1 2 |
| Topic Alias | 35 | 1 | 3 |
| Maximum QoS | 36 | 0 | 2 |
| Retain Available | 37 | 0 | 2 |
| User Property | 38 | 6 | 1 2 3 4 5 6 7 8 9 10 11 14 15 99 |
| Maximum Packet Size | 39 | 2 | 1 2 |
| Wildcard Subscription Available | 40 | 0 | 2 |
| Subscription Identifier Available | 41 | 0 | 2 |
| Shared Subscription Available | 42 | 0 | 2 |`
