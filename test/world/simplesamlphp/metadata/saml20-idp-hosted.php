<?php

$settings = json_decode(file_get_contents(dirname(__DIR__) . '/settings.json'), true);
$metadata[$settings['entityId']] = [
    'host' => '__DEFAULT__',
    'auth' => 'people',
    'privatekey' => $settings['key'] . '.key',
    'certificate' => $settings['key'] . '.pem',
    'saml20.sign.response' => true,
    'saml20.sign.assertion' => true,
    'sign.logout' => true,
    'validate.authnrequest' => true,
    'validate.logout' => true,
    'assertion.encryption' => $settings['encrypt'],
    'attributes.NameFormat' => 'urn:oasis:names:tc:SAML:2.0:attrname-format:basic',
    'NameIDFormat' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    'authproc' => [
        3 => [
            'class' => 'saml:AttributeNameID',
            'attribute' => 'subject',
            'Format' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
        ],
        4 => ['class' => 'core:AttributeLimit', 'uid', 'mail', 'displayName', 'groups'],
    ],
];
if ($settings['newKey'] !== null) {
    $metadata[$settings['entityId']]['new_privatekey'] = $settings['newKey'] . '.key';
    $metadata[$settings['entityId']]['new_certificate'] = $settings['newKey'] . '.pem';
}
