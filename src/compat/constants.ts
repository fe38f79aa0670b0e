/** The members of the enumerations (enums.ts) under their own names, as Paho's modules have them. */

export const MQTT_ERR_AGAIN = -1
export const MQTT_ERR_SUCCESS = 0
export const MQTT_ERR_NOMEM = 1
export const MQTT_ERR_PROTOCOL = 2
export const MQTT_ERR_INVAL = 3
export const MQTT_ERR_NO_CONN = 4
export const MQTT_ERR_CONN_REFUSED = 5
export const MQTT_ERR_NOT_FOUND = 6
export const MQTT_ERR_CONN_LOST = 7
export const MQTT_ERR_TLS = 8
export const MQTT_ERR_PAYLOAD_SIZE = 9
export const MQTT_ERR_NOT_SUPPORTED = 10
export const MQTT_ERR_AUTH = 11
export const MQTT_ERR_ACL_DENIED = 12
export const MQTT_ERR_UNKNOWN = 13
export const MQTT_ERR_ERRNO = 14
export const MQTT_ERR_QUEUE_SIZE = 15
export const MQTT_ERR_KEEPALIVE = 16

export const MQTTv31 = 3
export const MQTTv311 = 4
export const MQTTv5 = 5

export const CONNECT = 0x10
export const CONNACK = 0x20
export const PUBLISH = 0x30
export const PUBACK = 0x40
export const PUBREC = 0x50
export const PUBREL = 0x60
export const PUBCOMP = 0x70
export const SUBSCRIBE = 0x80
export const SUBACK = 0x90
export const UNSUBSCRIBE = 0xa0
export const UNSUBACK = 0xb0
export const PINGREQ = 0xc0
export const PINGRESP = 0xd0
export const DISCONNECT = 0xe0
export const AUTH = 0xf0

export const MQTT_LOG_INFO = 1
export const MQTT_LOG_NOTICE = 2
export const MQTT_LOG_WARNING = 4
export const MQTT_LOG_ERR = 8
export const MQTT_LOG_DEBUG = 16

export const CONNACK_ACCEPTED = 0
export const CONNACK_REFUSED_PROTOCOL_VERSION = 1
export const CONNACK_REFUSED_IDENTIFIER_REJECTED = 2
export const CONNACK_REFUSED_SERVER_UNAVAILABLE = 3
export const CONNACK_REFUSED_BAD_USERNAME_PASSWORD = 4
export const CONNACK_REFUSED_NOT_AUTHORIZED = 5

export const mqtt_ms_invalid = 0
export const mqtt_ms_publish = 1
export const mqtt_ms_wait_for_puback = 2
export const mqtt_ms_wait_for_pubrec = 3
export const mqtt_ms_resend_pubrel = 4
export const mqtt_ms_wait_for_pubrel = 5
export const mqtt_ms_resend_pubcomp = 6
export const mqtt_ms_wait_for_pubcomp = 7
export const mqtt_ms_send_pubrec = 8
export const mqtt_ms_queued = 9

export const MQTT_CLIENT = 0
export const MQTT_BRIDGE = 1

/** Value of `clean_start`: Clean Start is set until the first CONNACK after `connect()`, not on the reconnects after it. */
export const MQTT_CLEAN_START_FIRST_ONLY = 3

/** The level of Paho that is matched. */
export const __version__ = '2.1.0'
