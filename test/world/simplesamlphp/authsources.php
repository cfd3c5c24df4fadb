<?php

$settings = json_decode(file_get_contents(__DIR__ . '/settings.json'), true);
$people = ['exampleauth:UserPass'];
foreach ($settings['people'] as $person) {
    $people[$person['name'] . ':pw-' . $person['name']] = $person['attributes'];
}
$config = ['people' => $people];
